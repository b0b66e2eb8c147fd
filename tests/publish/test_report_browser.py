"""The report in a real browser: charts draw what the data says, at both widths, in light and dark, without a request.

Needs Chromium and its driver (marker `browser`).
"""

from __future__ import annotations

import numpy as np
import pytest
from published_run import make_results

from mixval.contracts.terms import TERMS
from tests.browser import complaints

pytestmark = pytest.mark.browser

MARKS = """
const svg = document.querySelector(`svg[data-chart="${arguments[0]}"][data-layout="${arguments[1]}"]`);
const painted = e => { const s = getComputedStyle(e); return (s.fill !== 'none' || s.stroke !== 'none') && s.opacity > 0; };
const shapes = g => [...g.querySelectorAll('path, use')].filter(e => !e.closest('defs') && painted(e));
const box = svg.getBoundingClientRect();
const marks = {};
for (const g of svg.querySelectorAll('g[id]')) {
  const name = g.id.slice(`${arguments[0]}-${arguments[1]}-`.length);
  if (!/^(interval|dot|part|net|tie|points|errors)-/.test(name)) continue;
  marks[name] = shapes(g).map(e => { const b = e.getBoundingClientRect();
    return {x: b.x + b.width / 2, left: b.x, right: b.right, width: b.width, height: b.height,
            inside: b.x >= box.x - 1 && b.right <= box.right + 1 && b.y >= box.y - 1 && b.bottom <= box.bottom + 1}; });
}
return {width: box.width, height: box.height, marks: marks, texts: [...svg.querySelectorAll('text')].map(t => t.textContent)};
"""

CONTRAST = """
const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
const rgb = c => c.match(/[\\d.]+/g).slice(0, 3).map(v => linear(v / 255));
const light = c => { const [r, g, b] = rgb(c); return .2126 * r + .7152 * g + .0722 * b; };
const paper = light(getComputedStyle(document.body).backgroundColor);
const ratio = c => { const l = light(c); return (Math.max(l, paper) + .05) / (Math.min(l, paper) + .05); };
const texts = [...document.querySelectorAll('svg text')].map(t => ratio(getComputedStyle(t).fill));
const read = document.querySelectorAll('h1, h2, p.lede, p.note, td, th, summary');
const words = [...read].map(e => ratio(getComputedStyle(e).color));
const bars = [...document.querySelectorAll('svg [id*="-part-"] path')].map(e => ratio(getComputedStyle(e).fill));
return {paper: paper, text: Math.min(...texts, ...words), bars: Math.min(...bars)};
"""


def chart(browser, name, layout):
    return browser.execute_script(MARKS, name, layout)


def problems(browser, results, layout):
    """What is wrong with the three charts, in words. Empty when each drew what the data says."""
    k = results.ranking.num_rows
    found = []
    for name in ("ranking", "shares", "terms"):
        drawn = chart(browser, name, layout)
        if drawn["width"] <= 300 or drawn["height"] <= 60:
            found.append(f"{name}: {drawn['width']} x {drawn['height']} pixels")
        for gid in expected_marks(results)[name]:
            shapes = drawn["marks"].get(gid, [])
            want = k if gid.startswith("points-") else 1
            seen = [shape for shape in shapes if shape["inside"] and max(shape["width"], shape["height"]) > 0]
            if len(seen) != want:
                found.append(f"{name}: {gid} has {len(seen)} marks, not {want}")
    return found


def expected_marks(results):
    rows = range(results.ranking.num_rows)
    return {
        "ranking": [f"{mark}-{row}" for row in rows for mark in ("interval", "dot")],
        "shares": [f"part-{term}-{row}" for row in rows for term in TERMS] + [f"net-{row}" for row in rows],
        "terms": [f"points-{against}-{term}" for against in ("real_share", "n_rows") for term in TERMS],
    }


@pytest.mark.parametrize(("width", "layout", "hidden"), [(1280, "wide", "narrow"), (390, "narrow", "wide")])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_chart_draws_every_mark(show, results, width, layout, hidden, scheme):
    browser = show(results, width, scheme)
    assert problems(browser, results, layout) == []
    assert all(chart(browser, name, hidden)["width"] == 0 for name in ("ranking", "shares", "terms"))


@pytest.mark.parametrize("gid", ["ranking-wide-interval-3", "shares-wide-part-loss-0", "terms-wide-points-n_rows-ntk"])
@pytest.mark.parametrize(
    "harm", ["g.replaceChildren()", "g.querySelectorAll('path, use').forEach(e => e.style = 'fill: none; stroke: none')"]
)
def test_an_emptied_chart_is_noticed(show, results, gid, harm):
    browser = show(results)
    browser.execute_script(f"const g = document.getElementById('{gid}'); {harm}")
    assert len(problems(browser, results, "wide")) == 1


def test_marks_stand_where_the_numbers_say(show, results):
    browser = show(results)
    rows = results.ranking.to_pylist()
    ranking, shares = chart(browser, "ranking", "wide")["marks"], chart(browser, "shares", "wide")["marks"]
    values = np.array([row["value"] for row in rows])
    dots = np.array([ranking[f"dot-{index}"][0]["x"] for index in range(len(rows))])
    scale, origin = np.polyfit(values, dots, 1)
    assert scale > 0
    # Matplotlib writes coordinates to six decimals and the browser rounds boxes to 1/64 of a pixel.
    np.testing.assert_allclose(dots, scale * values + origin, atol=0.1)
    spans = np.array([ranking[f"interval-{index}"][0]["width"] for index in range(len(rows))])
    lengths = np.array([row["value_high"] - row["value_low"] for row in rows])
    np.testing.assert_allclose(spans - spans.min(), scale * (lengths - lengths.min()), atol=0.2)
    bars = np.array([[shares[f"part-{term}-{i}"][0]["width"] for term in TERMS] for i in range(len(rows))])
    parts = np.abs([[row[f"weighted_{term}"] for term in TERMS] for row in rows])
    slope, edge = np.polyfit(parts.ravel(), bars.ravel(), 1)
    np.testing.assert_allclose(bars, slope * parts + edge, atol=0.2)
    assert abs(edge) < 1.5  # the outline


def test_ties_are_shaded_and_named(show, results):
    drawn = chart(show(results), "ranking", "wide")
    groups = results.ranking["tie_group"].to_pylist()
    shared = {group for group in groups if groups.count(group) > 1}
    ties = [name for name in drawn["marks"] if name.startswith("tie-")]
    assert len(ties) == len(shared) > 0
    assert {name.split("-")[1] for name in ties} <= set(drawn["texts"])
    assert set(results.ranking["contributor"].to_pylist()) <= set(drawn["texts"])


@pytest.mark.parametrize(
    "names", [None, ("<script>alert(1)</script>", "x" * 300, "🦊 & 'q'", "مساهم", "ok")], ids=["plain", "hostile"]
)
@pytest.mark.parametrize("width", [390, 768, 1280])
def test_page_fits_its_width_asks_nobody_and_complains_of_nothing(show, results, names, width):
    browser = show(make_results(names) if names else results, width)
    assert complaints(browser, width) == []


CUT = """return [...document.querySelectorAll('svg.' + arguments[0] + ' text')].filter(text => {
    const [inner, outer] = [text.getBoundingClientRect(), text.closest('svg').getBoundingClientRect()];
    return inner.width > 0 && (inner.left < outer.left - 0.5 || inner.right > outer.right + 0.5);
}).map(text => text.textContent)"""


@pytest.mark.parametrize(("width", "layout"), [(1200, "wide"), (390, "narrow")])
def test_no_word_of_a_chart_is_cut_off(show, width, layout):
    for names in (("ember", "haven", "Mommsen"), ("W" * 60, "a contributor with a rather long name")):
        assert show(make_results(names), width).execute_script(CUT, layout) == []


def test_light_and_dark_are_both_readable(show, results):
    light, dark = (show(results, scheme=scheme).execute_script(CONTRAST) for scheme in ("light", "dark"))
    assert light["paper"] > 0.8
    assert dark["paper"] < 0.05
    for seen in (light, dark):
        assert seen["text"] >= 4.5  # WCAG AA for text
        assert seen["bars"] >= 2  # Okabe and Ito's orange on white; the table below the chart has the numbers


def test_two_hundred_contributors_fit(show):
    many = make_results(tuple(f"contributor-{index:03d}" for index in range(200)))
    browser = show(many, 390)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    drawn = chart(browser, "ranking", "narrow")["marks"]
    assert sum(name.startswith("dot-") for name in drawn) == 60
    assert all(shape["inside"] for name, shapes in drawn.items() if name.startswith("dot-") for shape in shapes)


def test_paper_gets_the_wide_charts_in_light_colours(show, results):
    browser = show(results, 700, "dark")
    try:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        assert problems(browser, results, "wide") == []
        assert browser.execute_script(CONTRAST)["paper"] == 1.0
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
