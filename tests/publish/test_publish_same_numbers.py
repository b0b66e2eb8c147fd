"""One run, one number: what terminal, report, explanation, JSON, CSV and Markdown say of a contributor is the same."""

import csv
import io
import json
import re

from coalition_run import make_coalitions, stored_run, with_coalitions
from published_run import NAMES, make_results
from rich.console import Console

from mixval.cli.show_view import run_document
from mixval.contracts.results import VALUE_KINDS
from mixval.publish.coalition_values import coalition_values
from mixval.publish.explain import explain, explanation_text
from mixval.publish.numerals import fixed
from mixval.publish.ranking import ranking_rows, value_decimals
from mixval.publish.report.render import render_report
from mixval.publish.terminal import print_ranking
from mixval.publish.verdict_words import buyer_sentences, headline
from mixval.publish.writers.ranking_csv import ranking_csv
from mixval.publish.writers.ranking_markdown import ranking_markdown
from mixval.stages.publishing import run_summary


def test_every_output_tells_the_same_numbers_and_verdicts() -> None:
    results = make_results(NAMES, kind=VALUE_KINDS[1])
    found = make_coalitions(NAMES)
    results, tables = with_coalitions(results, found), (found.coalitions, found.redundancy)
    shown = io.StringIO()
    print_ranking(results, Console(file=shown, width=200))
    terminal = shown.getvalue()
    page = render_report(
        results.ranking, results.terms, results.rejected, results.outcomes, results.manifest, results.warnings, *tables
    )
    markdown = ranking_markdown(results.ranking, found.coalitions).replace("\\", "")
    cells = {row["contributor"]: row for row in csv.DictReader(io.StringIO(ranking_csv(results.ranking)))}
    decimals = value_decimals(results.ranking)
    artifact = {row["contributor"]: row for row in ranking_rows(results.ranking)}
    run = stored_run(results, found)
    shown_json = {row["contributor"]: row for row in json.loads(json.dumps(run_document(run)))["ranking"]}
    summary = json.loads(run_summary(run.manifest, run.ranking, run.folder).model_dump_json())
    value_json = {row["contributor"]: row for row in summary["contributors"]}
    assert summary["headline"] == run_document(run)["headline"] == headline(run.ranking).plain()
    coalitions = coalition_values(results.ranking, *tables)
    assert coalitions is not None
    for row, sentence in zip(results.ranking.to_pylist(), buyer_sentences(results.ranking, decimals), strict=True):
        verdict = row["verdict"]
        name, number = row["contributor"], fixed(row["value"], decimals)
        explained = explain(results.ranking, results.terms, results.rejected, name, results.warnings, *tables)
        words = explanation_text(explained)
        assert re.search(rf"{name} +{verdict} +{number} ", terminal)
        assert f"{name}: {sentence}" in terminal
        assert f"{name}: {sentence}" in words
        assert f"value {number} nats" in words
        assert f"value alone    {number}" in words
        assert f"<bdi>{name}</bdi></strong>: {sentence}" in page
        assert re.search(
            rf'<bdi>{name}</bdi></th>\s*<td class="strong">{row["verdict"]}</td>\s*<td class="n strong">{number}<', page
        )
        assert re.search(
            rf"\| {name} \| {row['verdict']} \| {number} \|.*\| {re.escape(sentence)} \|", markdown.replace("\\", "")
        )
        assert (artifact[name]["value (nats)"], artifact[name]["in words"]) == (number, sentence)
        assert (explained.value, explained.sentence, explained.verdict) == (row["value"], sentence, row["verdict"])
        assert (float(cells[name]["value"]), cells[name]["verdict"]) == (row["value"], row["verdict"])
        explained_json = json.loads(explained.model_dump_json())
        for one in (shown_json[name], value_json[name], explained_json):
            numbers = [one[column] for column in ("rank", "value", "value_low", "value_high", "value_of_empty")]
            assert numbers == [row[column] for column in ("rank", "value", "value_low", "value_high", "value_of_empty")]
            assert one["verdict"] == verdict
        assert explained_json["coalitions"]["alone"] == row["value"]
        assert value_json[name]["sentence"] == explained_json["sentence"] == sentence
        assert coalitions.alone[coalitions.names.index(name)] == row["value"]
        loss = row["value"] - row["value_of_empty"]
        if row["verdict"] == "take":
            assert f"by {fixed(loss, decimals)} nats per row" in sentence
