"""The report is one safe, self-contained, reproducible file that holds the tables' numbers, at any size."""

import html
import math
import re
import time
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from published_run import make_results

from mixval.contracts.terms import TERMS
from mixval.publish.numerals import fixed
from mixval.publish.ranking import ranking_table, value_decimals
from mixval.publish.report.answer import answer
from mixval.publish.report.chart_rows import MOST_ROWS, chart_rows
from mixval.publish.report.render import render_report
from mixval.publish.report.share_chart import references
from mixval.publish.report.term_chart import size_ticks
from mixval.publish.report.view import safe_link

HOSTILE = (
    "<script>alert(1)</script>",
    '"quo\'ted" & $x^2$',
    "🦊 emoji",
    "مساهم البيانات",
    "x" * 300,
    "\x1b[31mred\u202eevil",
    "]]>--></svg>",
)
VOID = {"meta", "link", "br", "img"}


class Page(HTMLParser):
    """Every element with its attributes, and whether tags are balanced."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def report(results):
    return render_report(results.ranking, results.terms, results.rejected, results.outcomes, results.manifest, results.warnings)


@pytest.fixture(scope="module")
def text(results):
    return report(results)


def test_every_ranked_number_and_reason_stands_in_it(results, text):
    decimals = value_decimals(results.ranking)
    for row in results.ranking.to_pylist():
        assert f"<bdi>{row['contributor']}</bdi>" in text
        assert f">{fixed(row['value'], decimals)}</td>" in text
    for words in ("412 of 900", "worker died four times", results.manifest.fingerprint, "mixval value config.yaml", "6 min"):
        assert words in text
    for warning in results.warnings:
        assert warning.words in html.unescape(text)


def test_sections_come_in_the_order_of_a_readers_questions(text):
    heads = re.findall(r'<h2 id="([^"]+)"', text)
    assert heads == ["h-ranking", "h-shares", "h-terms", "h-gate", "warnings", "h-rerun"]
    assert text.index("<h1>") < text.index('id="h-ranking"')


def test_nothing_in_it_reaches_out(text):
    page = Page(text)
    assert page.open == []
    policy = next(a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert not [tag for tag, _ in page.elements if tag in ("script", "iframe", "object", "embed", "form", "img", "base")]
    for tag, attrs in page.elements:
        assert "src" not in attrs
        assert not [name for name in attrs if name.startswith("on")]
        if tag == "link":
            assert attrs["href"] == "data:,"
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)


def test_identifiers_are_unique_and_stand_in_colours_are_gone(text):
    found = re.findall(r'\bid="([^"]+)"', text)
    assert len(found) == len(set(found))
    assert "#00000" not in text
    assert not re.search(r">N\d{5}N<", text)
    assert "nan" not in re.sub(r"[a-z-]*nan[a-z-]+|[a-z-]+nan[a-z-]*", "", text.lower())


def test_the_same_results_give_the_same_file(results, text):
    assert report(results) == text


def test_charts_have_a_name_a_description_and_a_table(text):
    for chart in ("ranking", "shares", "terms"):
        for layout in ("wide", "narrow"):
            assert f'data-chart="{chart}" data-layout="{layout}" role="img"' in text
            assert f'<title id="{chart}-{layout}-title">' in text
            assert f'<desc id="{chart}-{layout}-desc">' in text
    assert 'data-table="shares"' in text
    assert 'data-table="statistics"' in text


@pytest.mark.parametrize("rows", [HOSTILE, ("solo",), ("a", "b"), ()], ids=["hostile", "one", "two", "none"])
@pytest.mark.parametrize("intervals", [True, False])
def test_any_names_and_sizes_render(rows, intervals):
    text = report(make_results(rows, intervals=intervals, refused=not intervals))
    assert Page(text).open == []
    assert "<script>" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert ("data-chart" in text) == bool(rows)


def test_refused_names_reasons_and_samples_are_escaped():
    results = make_results(("a", "b"))
    row = {**results.rejected.to_pylist()[0], "contributor": "<b>x</b>", "reason": "<i>why</i>", "samples": ["<u>s</u>"]}
    rejected = results.rejected.from_pylist([row], schema=results.rejected.schema)
    results = replace(results, rejected=rejected, outcomes=[], warnings=[])
    text = report(results)
    assert "&lt;b&gt;x&lt;/b&gt;" in text
    assert "&lt;i&gt;why&lt;/i&gt;" in text
    assert not re.search(r"<(b|i|u)>", text)


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://docs.example.org/a", True),
        ("data_docs/index.html", True),
        ("javascript:alert(1)", False),
        (" JaVaScript:alert(1)", False),
        ("data:text/html,x", False),
        ("s3://lake/docs/index.html", False),
        ("//evil.example.org/x", False),
        (None, False),
    ],
)
def test_only_links_that_a_browser_may_follow_become_links(url, kept):
    assert (safe_link(url) is not None) == kept


def test_headline_answers_for_each_kind_of_outcome(results):
    def headline(groups, k=12):
        rows = results.ranking.to_pylist()[:k]
        for row, group in zip(rows, groups, strict=True):
            row["tie_group"] = group
        return re.sub(r"</?bdi>", "", answer(ranking_table(rows), results.rejected, 0.95).headline)

    names = results.ranking["contributor"].to_pylist()
    assert headline(range(12)) == f"{names[0]} has the highest value for the target."
    two = f"{names[0]} and {names[1]} have the highest value for the target and cannot be told apart."
    assert headline([0, 0, *range(1, 11)]) == two
    six = f"{', '.join(names[:3])} and 3 more have the highest value for the target and cannot be told apart."
    assert headline([0] * 6 + list(range(1, 7))) == six
    assert headline([0] * 12) == "Not ranked: no contributor can be told apart from the one with the highest value."
    assert headline([0], k=1) == f"Only {names[0]} was valued, so there is no ranking. Verdict: cannot say."


def test_many_contributors_are_binned_without_losing_anybody():
    many = make_results(tuple(f"c-{index:03d}" for index in range(200)))
    rows = chart_rows(many.ranking)
    values = many.ranking["value"].to_pylist()
    assert len(rows) == MOST_ROWS
    assert [row.value for row in rows[:25]] == values[:25]
    assert [row.value for row in rows[-10:]] == values[-10:]
    members = [int(re.search(r"(\d+) contributors$", row.words)[1]) for row in rows if row.is_bin]
    assert sum(members) == 165
    assert min(row.low for row in rows) == pytest.approx(min(many.ranking["value_low"].to_pylist()))
    assert max(row.high for row in rows) == pytest.approx(max(many.ranking["value_high"].to_pylist()))
    started = time.thread_time()  # what this thread computes, however busy the machine is
    text = report(many)
    assert time.thread_time() - started < 10  # about 1 s; ten times that is a regression
    assert "140 more, from rank 61" in text
    assert "letter of the table. Hollow dots" in text
    assert all(f"<bdi>c-{index:03d}</bdi>" in text for index in range(200))


def test_bars_start_at_the_median_when_every_term_only_costs(results):
    assert set(references(chart_rows(results.ranking)).values()) == {0.0}
    rows = results.ranking.to_pylist()
    for place, row in enumerate(rows):
        row.update({f"weighted_{term}": -1.0 - 0.1 * place for term in TERMS})
    assert references(chart_rows(ranking_table(rows))) == pytest.approx(dict.fromkeys(TERMS, -1.55))


@pytest.mark.parametrize(("low", "high"), [(1, 1), (37, 41), (80, 6000), (20, 9_000_000), (0, 3)])
def test_size_ticks_are_few_and_in_range(low, high):
    ticks = size_ticks(low, high)
    assert 1 <= len(ticks) <= 4
    assert all(max(low, 1) <= tick <= max(high, 1) for tick in ticks)
    assert ticks == sorted(ticks)
    assert all(math.isfinite(tick) for tick in ticks)
