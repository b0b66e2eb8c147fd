"""Values of parts and mixtures: said, explained and drawn as the tables have them."""

from __future__ import annotations

import html
import io
import re

import pytest
from parts_run import make_parts, with_parts
from published_run import NAMES, Results, make_results
from rich.console import Console

from mixval.cli.show_view import run_document
from mixval.contracts.results import VALUE_KINDS
from mixval.publish.explain import explain, explanation_text
from mixval.publish.part_values import (
    budget_sentence,
    cost_sentence,
    part_lines,
    part_sentence,
    part_values,
    run_lines,
    weight_sentence,
)
from mixval.publish.report.render import render_report
from mixval.publish.stored_run import StoredRun
from mixval.publish.terminal import print_ranking
from mixval.publish.writers.report import write_report
from mixval.storage.root import open_location

KIND = VALUE_KINDS[1]


@pytest.fixture(scope="module")
def results() -> Results:
    return with_parts(make_results(NAMES, kind=KIND))


def tables(results: Results) -> tuple:
    return results.parts, results.mixture, results.mixture_best


def ranked(results: Results) -> list[str]:
    return results.ranking["contributor"].to_pylist()


def page_of(results: Results) -> str:
    made = (results.ranking, results.terms, results.rejected, results.outcomes, results.manifest, results.warnings)
    return render_report(*made, None, None, *tables(results))


def test_each_verdict_on_a_part_has_its_sentence(results: Results) -> None:
    said = [part_sentence(part_values(name, *tables(results)), "synthetic", 2) for name in ranked(results)[:4]]
    assert said == [
        "Its synthetic rows would be better left out: −0.04, −0.06 to −0.02.",
        "Its synthetic rows add to its real ones: +0.05, 0.03 to 0.08.",
        "Whether its synthetic rows add anything to its real ones cannot be said: +0.01, −0.02 to 0.03.",
        "",
    ]
    together = part_sentence(part_values(None, *tables(results)), "real", 2, is_together=True)
    assert together == "The real rows of all together add to the synthetic ones: +0.20, 0.10 to 0.30."
    first = part_values(ranked(results)[0], *tables(results))
    idle = [one.model_copy(update={"adds_high": 0.001}) if one.part == "synthetic" else one for one in first.parts]
    words = part_sentence(first.model_copy(update={"parts": idle}), "synthetic", 2)
    assert words == "Its synthetic rows add nothing to speak of to its real ones: −0.04, −0.06 to 0.00."


def test_weights_are_said_with_what_they_gain_and_cost(results: Results) -> None:
    harmful, helpful, as_it_is = (part_values(name, *tables(results)) for name in ranked(results)[:3])
    assert weight_sentence(harmful, 3).startswith(
        "Its synthetic rows are best left out: weight 0 (0 to 0.25). That gains 0.025"
    )
    helped = weight_sentence(helpful, 3)
    assert helped.startswith("Its synthetic rows are best counted at weight 2 (1 to 4): 40 % synthetic. That gains 0.003")
    assert weight_sentence(as_it_is, 3).startswith("Its synthetic rows are best counted as they are (25 % synthetic): no other")
    doubtful = [one.model_copy(update={"gain_low": -0.1}) for one in helpful.best]
    assert "cannot be said: a gain of 0.003" in weight_sentence(helpful.model_copy(update={"best": doubtful}), 3)
    assert cost_sentence(harmful, 3) == (
        "Against the best weight, weight 1 costs 0.025 (0.013 to 0.050) and weight 4 costs 0.064 (0.032 to 0.128)."
    )
    assert budget_sentence(helpful).endswith(
        "2 for 4 times the rows (beyond the data), 2 for 16 times the rows (beyond the data)."
    )


def test_a_contributor_is_explained_by_its_parts(results: Results) -> None:
    name, last = ranked(results)[0], ranked(results)[-1]
    found = explain(results.ranking, results.terms, results.rejected, name, (), None, None, *tables(results))
    text = explanation_text(found)
    assert "By real and synthetic rows:" in text
    assert "Its synthetic rows would be better left out" in text
    assert found.real_and_synthetic == part_values(name, *tables(results))
    single = explain(results.ranking, results.terms, results.rejected, last, (), None, None, *tables(results))
    assert "By real and synthetic rows" not in explanation_text(single)
    assert part_lines(part_values(last, *tables(results)), 2) == []
    assert explain(results.ranking, results.terms, results.rejected, name).real_and_synthetic is None


def test_the_report_draws_the_mixture_of_all_and_what_each_part_adds(results: Results) -> None:
    page = page_of(results)
    start = page.index('aria-labelledby="h-parts"')
    section = html.unescape(page[start : page.index("</section>", start)])
    assert "The synthetic rows of all together would be better left out" in section
    assert len(re.findall(r'id="mixture-wide-weight-\d+"', section)) == 10
    assert len(re.findall(r'id="mixture-narrow-cost-\d+"', section)) == 5
    assert {int(place) for place in re.findall(r'id="parts-wide-synthetic-(\d+)"', section)} == {0, 1, 2}
    assert section.count("better left out") >= 2
    assert f"{len(NAMES) - 3} of the contributors with a value have rows of one kind only" in section
    body = re.search(r'<table data-table="parts">.*?<tbody>(.*?)</tbody>', section, re.DOTALL)
    assert body is not None
    assert len(re.findall("<tr>", body[1])) == 3


def test_a_terminal_says_it_of_all_together_and_of_whom_synthetic_rows_harm(results: Results) -> None:
    lines = run_lines(results, 2)
    assert lines[0] == "The synthetic rows of all together would be better left out: −0.040, −0.060 to −0.020."
    assert lines[1].startswith("The synthetic rows of all together are best left out: weight 0")
    assert lines[2:] == [f"Worth more without their synthetic rows: {ranked(results)[0]}."]
    assert run_lines(make_results(NAMES, kind=KIND), 2) == []
    console = Console(width=120, record=True, file=io.StringIO())
    print_ranking(results, console)
    assert "Worth more without their synthetic rows" in console.export_text()


def test_without_both_parts_there_is_nothing_to_draw(results: Results) -> None:
    assert 'id="h-parts"' not in page_of(make_results(NAMES, kind=KIND))
    found = make_parts(results)
    only = found.parts.filter([row["adds"] is None and row["part"] != "both" for row in found.parts.to_pylist()])
    made = (results.ranking, results.terms, results.rejected, results.outcomes, results.manifest, results.warnings)
    assert 'id="h-parts"' not in render_report(*made, None, None, only, found.mixture[:0], found.mixture_best[:0])


def test_a_stored_run_is_reported_and_printed_with_its_parts(results: Results) -> None:
    folder = open_location("memory://parts")
    stored = StoredRun(
        folder=folder,
        manifest=results.manifest,
        ranking=results.ranking,
        terms=results.terms,
        rejected=results.rejected,
        parts=results.parts,
        mixture=results.mixture,
        mixture_best=results.mixture_best,
    )
    write_report(folder, stored)
    assert b'id="h-parts"' in folder.child("report.html").read_bytes()
    document = run_document(stored)
    assert document["parts"] == results.parts.to_pylist()
    assert document["mixture_best"][0]["weight"] == 0.0
