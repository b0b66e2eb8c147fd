"""The section of coalition values in a real browser: marks where the numbers say, at both widths, in light and dark.

Needs Chromium and its driver (marker `browser`).
"""

import json

import numpy as np
import pytest
from coalition_run import make_both
from published_run import NAMES

from mixval.publish.coalition_values import coalition_values
from mixval.publish.report.redundancy_chart import BLANK, clustered

pytestmark = pytest.mark.browser

BOXES = """
const key = `${arguments[0]}-${arguments[1]}-`;
const svg = document.querySelector(`svg[data-chart="${arguments[0]}"][data-layout="${arguments[1]}"]`);
const outer = svg.getBoundingClientRect();
const found = {};
for (const g of svg.querySelectorAll('g[id]')) {
  const shape = [...g.querySelectorAll('path, use')].filter(e => !e.closest('defs')).pop();
  if (!shape || !/^(shapley|without|alone|interval|pair|self|step|all)(-|$)/.test(g.id.slice(key.length))) continue;
  const b = shape.getBoundingClientRect(), s = getComputedStyle(shape);
  found[g.id.slice(key.length)] = {x: b.x + b.width / 2, y: b.y + b.height / 2, width: b.width, height: b.height,
    colour: s.fill, opacity: +s.opacity * +s.fillOpacity,
    inside: b.x >= outer.x - 1 && b.right <= outer.right + 1 && b.y >= outer.y - 1 && b.bottom <= outer.bottom + 1};
}
return found;
"""

CUT = """return [...document.querySelectorAll(`svg.${arguments[0]} text`)].filter(text => {
  const [inner, outer] = [text.getBoundingClientRect(), text.closest('svg').getBoundingClientRect()];
  return inner.width > 0 && (inner.left < outer.left - 0.5 || inner.right > outer.right + 0.5 ||
                             inner.top < outer.top - 0.5 || inner.bottom > outer.bottom + 0.5);
}).map(text => text.textContent)"""

OVERLAP = """
const names = [...document.querySelectorAll('svg[data-chart="redundancy"][data-layout="wide"] text')].slice(0, arguments[0]);
const boxes = names.map(name => name.getBoundingClientRect());
return boxes.slice(1).filter((box, i) => box.top + 1 < boxes[i].top + boxes[i].height * 0.5).length;
"""

MANY = tuple(f"{NAMES[index % 12]}-{index:02d}" for index in range(50))


@pytest.fixture(scope="module")
def twelve():
    return make_both(NAMES)


@pytest.fixture(scope="module")
def fifty():
    return make_both(MANY)


def linear(values, places):
    """Largest distance in pixels from a straight line through (value, place)."""
    return np.abs(np.polyval(np.polyfit(values, places, 1), values) - places).max()


@pytest.mark.parametrize(("width", "layout"), [(1280, "wide"), (390, "narrow")])
def test_marks_stand_where_the_numbers_say(show, twelve, width, layout):
    results, found = twelve
    browser = show(results, width, coalition_results=found)
    joined = coalition_values(results.ranking, found.coalitions, found.redundancy)
    additions, steps = (browser.execute_script(BOXES, name, layout) for name in ("additions", "greedy"))
    places = {mark: np.array([additions[f"{mark}-{i}"]["x"] for i in range(12)]) for mark in ("shapley", "without", "alone")}
    # One scale for what is added, another for values alone; the browser rounds boxes to 1/64 of a pixel.
    added = np.concatenate([joined.shapley, joined.leave_one_out])
    assert linear(added, np.concatenate([places["shapley"], places["without"]])) < 0.2
    assert linear(joined.alone, places["alone"]) < 0.2
    assert np.polyfit(added, np.concatenate([places["shapley"], places["without"]]), 1)[0] > 0
    rows = [additions[f"shapley-{i}"]["y"] for i in range(12)]
    assert np.ptp(np.diff(rows)) < 0.1
    assert np.diff(rows).min() > 15
    coalition = np.array([steps[f"step-{i}"]["x"] for i in range(12)])
    assert linear(joined.greedy_values, coalition) < 0.2
    assert steps["all"]["x"] == pytest.approx(np.interp(found.account.value_of_all, joined.greedy_values, coalition), abs=0.3)
    assert all(mark["inside"] for mark in (*additions.values(), *steps.values()))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "layout"), [(1280, "wide"), (390, "narrow")])
def test_cells_lie_in_rows_and_columns_and_are_stronger_where_redundancy_is(show, fifty, width, layout, scheme):
    results, found = fifty
    browser = show(results, width, scheme, coalition_results=found)
    joined = coalition_values(results.ranking, found.coalitions, found.redundancy)
    order, drawn = clustered(joined.redundancy), browser.execute_script(BOXES, "redundancy", layout)
    strongest = np.abs(joined.redundancy).max()
    pairs = {name: cell for name, cell in drawn.items() if name.startswith("pair-")}
    colours = {value_at(joined, order, name) > 0: cell["colour"] for name, cell in pairs.items()}
    assert len(set(colours.values())) == 2
    for name, cell in pairs.items():
        row, column = (int(part) for part in name.split("-")[1:])
        assert cell["y"] == pytest.approx(drawn[f"self-{row}"]["y"], abs=0.1)
        assert cell["x"] == pytest.approx(drawn[f"self-{column}"]["x"], abs=0.1)
        shared = value_at(joined, order, name)
        assert cell["opacity"] == pytest.approx(np.sqrt(abs(shared) / strongest), abs=2e-3)
        assert cell["colour"] == colours[shared > 0]
        assert cell["inside"]
    assert len(pairs) == (np.abs(np.tril(joined.redundancy, -1)) >= BLANK * strongest).sum() > 20
    assert drawn["self-0"]["height"] >= 12
    assert browser.execute_script(OVERLAP, 50) == 0


def value_at(joined, order, name):
    row, column = (int(part) for part in name.split("-")[1:])
    return joined.redundancy[order[row], order[column]]


@pytest.mark.parametrize(("width", "layout"), [(1200, "wide"), (768, "wide"), (390, "narrow")])
def test_the_page_fits_asks_nobody_and_cuts_no_word(show, twelve, fifty, width, layout):
    hostile = make_both(("<script>alert(1)</script>", "x" * 300, "🦊 & 'q'", "مساهم", "W" * 60))
    for results, found in (twelve, fifty, hostile, make_both(NAMES[:3])):
        browser = show(results, width, coalition_results=found)
        browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        assert browser.execute_script(CUT, layout) == []
        assert browser.get_log("browser") == []
        events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
        asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
        assert [url for url in asked if not url.startswith(("file://", "data:"))] == []
