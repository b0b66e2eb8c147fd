"""Values that may be noise: every output says so first, none shows an order. Who is accused is not told to be taken."""

import io
import json
from collections.abc import Callable
from dataclasses import replace

import pyarrow as pa
import pytest
from coalition_run import make_coalitions, stored_run
from published_run import NAMES, Results, make_manifest, make_results, with_verdicts
from rich.console import Console

from mixval.api.result import ValuationResult
from mixval.cli.history_view import list_text
from mixval.cli.show_view import print_run, run_document
from mixval.contracts.results import TAKE, VALUE_KINDS
from mixval.contracts.warnings import accusations, warning
from mixval.publish.explain import explain, explanation_text
from mixval.publish.ranking import ranking_rows, ranking_table
from mixval.publish.report.render import render_report
from mixval.publish.run_list import list_runs
from mixval.publish.run_warnings import find_warnings
from mixval.publish.stored_run import StoredRun
from mixval.publish.verdict_words import buyer_sentences, headline, is_ordered, verdicts_in_words
from mixval.publish.writers.ranking_markdown import write_ranking_markdown
from mixval.publish.writers.valuation import WRITERS
from mixval.storage.root import open_location
from mixval.valuation.verdict import withheld

SAYS = "Not ranked: no contributor can be told from training on no rows, so differences between them may be noise."


def noise() -> StoredRun:
    """A run with coalitions whose intervals all contain the value of no rows, 0.01 apart."""
    made = make_results(NAMES, kind=VALUE_KINDS[1])
    rows = made.ranking.to_pylist()
    for place, row in enumerate(rows):
        value = row["value_of_empty"] - 0.01 * place
        row |= {"value": value, "value_low": value - 0.3, "value_high": value + 0.3, "tie_group": 1 + place // 6}
    return stored(made, rows)


def stored(made: Results, rows: list[dict[str, object]]) -> StoredRun:
    ranking = ranking_table(with_verdicts(rows))
    warnings = find_warnings(ranking, made.terms, made.outcomes)
    manifest = make_manifest(NAMES, made.outcomes, warnings)
    return stored_run(replace(made, ranking=ranking, manifest=manifest, warnings=warnings), make_coalitions(NAMES))


def on_terminal(run: StoredRun) -> str:
    shown = io.StringIO()
    print_run(run, Console(file=shown, width=200))
    return shown.getvalue()


def in_report(run: StoredRun) -> str:
    tables = (run.ranking, run.terms, run.rejected)
    page = render_report(*tables, run.manifest.outcomes, run.manifest, run.manifest.warnings, run.coalitions, run.redundancy)
    return page[page.index("<h1>") + len("<h1>") :]


def in_markdown(run: StoredRun) -> str:
    folder = open_location("memory://noise-markdown")
    write_ranking_markdown(folder, run)
    return folder.child("ranking.md").read_bytes().decode().split("**", 1)[1]


def explained(run: StoredRun) -> str:
    tables = (run.ranking, run.terms, run.rejected)
    return explanation_text(explain(*tables, NAMES[3], run.manifest.warnings, run.coalitions, run.redundancy))


def listed(run: StoredRun) -> str:
    folder = open_location(f"memory://noise-list/runs/{run.manifest.run_id}")
    for write in WRITERS:
        if "report" not in write.__module__ and "gate" not in write.__module__:
            write(folder, run)
    folder.child("manifest.json").write_bytes(run.manifest.to_json().encode())
    return list_text(*list_runs(open_location("memory://noise-list"), 5), "").split("\n", 1)[1].strip()


@pytest.mark.parametrize(
    "output",
    [
        on_terminal,
        in_report,
        listed,
        lambda run: json.dumps(run_document(run)).removeprefix('{"headline": "'),
        lambda run: repr(ValuationResult(run)),
        in_markdown,
        explained,
    ],
)
def test_every_output_says_first_that_nothing_can_be_told_and_shows_no_order(output: Callable[[StoredRun], str]) -> None:
    run = noise()
    text = output(run)
    if output is explained:
        assert text.startswith(f"{NAMES[3]}: cannot say: ")
        assert f"The run: {SAYS}" in text
    else:
        assert text.startswith(SAYS)
    assert text.count(SAYS) == 1
    for word in ("rank 1", "Rank 1", "Shapley rank", "shapley rank", "greedy step", "Greedy s", "highest value.", " of 12;"):
        assert word not in text
    assert "perfect with probability" not in text


def test_without_an_order_lines_are_by_name_and_nobody_has_a_rank() -> None:
    run = noise()
    assert run.ranking["contributor"].to_pylist() == sorted(NAMES)
    assert set(run.ranking["rank"].to_pylist()) == {None}
    assert not any({"rank", "tied", "shapley rank"} & set(row) for row in ranking_rows(run.ranking, run.coalitions))


def test_a_serious_warning_about_a_contributor_is_not_overruled_by_take() -> None:
    made = make_results(NAMES, kind=VALUE_KINDS[1])
    rows = made.ranking.to_pylist()
    best = rows[0]["contributor"]
    rows[0] |= {"tie_group": -1}  # alone at the top
    assert rows[0]["verdict"] == rows[1]["verdict"] == TAKE
    accused = accusations([warning("near-copies", "", [rows[1]["contributor"]]), warning("near-target", "", [best, "else"])])
    assert accused == {best: "near-target", "else": "near-target"}
    verdicts, doubts = withheld([row["verdict"] for row in rows], [accused.get(row["contributor"]) for row in rows])
    told = [row | {"verdict": v, "doubted_by": d} for row, v, d in zip(rows, verdicts, doubts, strict=True)]
    run = stored(made, rows)
    run = replace(run, ranking=ranking_table(told))
    assert is_ordered(run.ranking)  # by the values, which a warning does not change
    assert best not in verdicts_in_words(run.ranking).plain(20).split("Cannot say:")[0]
    assert headline(run.ranking).plain().startswith(f"{best} has the highest value, but whether training on it helps cannot be")
    assert f"{best}: cannot say: the predicted reduction of the loss on the target, +" in on_terminal(run)
    assert "), cannot be relied on: see the warning near-target." in on_terminal(run)


def test_pairs_within_their_uncertainty_have_no_colour() -> None:
    run = noise()
    assert 'id="redundancy-wide-pair-' in in_report(run)
    vague = run.redundancy.set_column(3, run.redundancy.schema.field(3), pa.array([10.0] * run.redundancy.num_rows))
    assert "redundancy-wide-pair-" not in in_report(replace(run, redundancy=vague))


@pytest.mark.parametrize(("kind", "no_rows"), [(1, "training on no rows"), (2, "leaving the model as it is")])
def test_take_is_said_to_mean_better_than_no_rows_and_no_more(kind: int, no_rows: str) -> None:
    made = make_results(NAMES, kind=VALUE_KINDS[kind])
    words = f"Take means better than {no_rows}, which rows with faults can be, too."
    assert TAKE in made.ranking["verdict"].to_pylist()
    assert verdicts_in_words(made.ranking).plain().endswith(words)
    assert verdicts_in_words(noise().ranking).plain(1).startswith("Cannot say: ")
    assert "Take means" not in verdicts_in_words(noise().ranking).plain()


@pytest.mark.parametrize(
    ("gap", "other_group", "n_more", "verdict", "is_said"),
    [
        (0.5, True, 0, TAKE, True),
        (0.5, True, 1, TAKE, False),  # from more rows
        (0.05, True, 0, TAKE, True),  # intervals overlap, but it opens a group of its own
        (0.05, False, 0, TAKE, False),
        (0.5, True, 0, "cannot say", False),  # the better one is doubted
    ],
)
def test_of_one_to_take_it_is_said_that_another_is_clearly_better(
    gap: float, other_group: bool, n_more: int, verdict: str, is_said: bool
) -> None:
    best, *_ = make_results(NAMES, kind=VALUE_KINDS[1]).ranking.to_pylist()
    best |= {"value": -0.1, "value_low": -0.2, "value_high": 0.0, "tie_group": 1, "rank": 1, "verdict": verdict}
    value = {name: best[name] - gap for name in ("value", "value_low", "value_high")}
    second = best | value | {"contributor": "second", "rank": 2, "tie_group": 1 + other_group, "verdict": TAKE}
    best["n_sampled"] += n_more
    first, other = buyer_sentences(ranking_table([best, second]), 3)
    assert "Another contributor" not in first
    assert other.endswith(" Another contributor clearly has a higher value, from no more rows.") == is_said
