"""The command line: what each command prints for people and for machines, and its exit code."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import Result
from prefect.settings import PREFECT_API_URL

from benchmarks.plain_stages import gate_here
from mixval import __version__
from mixval.cli.summary_view import print_summary
from mixval.config.valuation import ValuationConfig
from mixval.contracts.coalitions import CoalitionAccount
from mixval.contracts.results import COALITIONS, REDUNDANCY
from mixval.contracts.run import RunSummary
from mixval.contracts.terms import TERMS
from mixval.publish.stored_run import open_run
from mixval.stages.coalition_value import commit_for_coalitions
from mixval.stages.in_process import value_gated
from mixval.stages.publishing import RunAccount, publish
from mixval.storage.root import open_location
from mixval.storage.tables import write_table
from tests.cli.command_line import invoke, write
from tests.worlds import PLANTED, World, planted, rows

PROGRAM = Path(sys.executable).with_name("mixval")


@dataclass(frozen=True)
class Valued:
    """A world valued through the command line, and what it said."""

    world: World
    config: Path
    first: Result


@pytest.fixture(scope="module")
def valued(prefect_api: None, tmp_path_factory: pytest.TempPathFactory) -> Valued:
    world = planted(tmp_path_factory.mktemp("cli"), "language-modelling", runtime={"workers": 1})
    world.contribute("tiny", rows(world.task, 3, start=9_000))
    file = write(world)
    return Valued(world, file, invoke("value", file))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return planted(tmp_path, "language-modelling")


def test_value_prints_the_ranking_and_what_was_refused(valued: Valued) -> None:
    said = valued.first
    assert said.exit_code == 0, said.output
    places = [said.stdout.index(name) for name in PLANTED]
    assert places == sorted(places)
    assert "tiny" in said.stdout
    assert "gate.min_rows" in said.stdout
    assert "report.html" in said.stdout


def test_progress_is_plain_lines_where_no_terminal_is(valued: Valued) -> None:
    lines = valued.first.stderr.splitlines()
    assert all(line.startswith("[") and " s] " in line for line in lines), lines
    assert any(line.endswith("measuring 3/3: far") or "measuring 3/3: " in line for line in lines)
    assert any("checking done: 3 of 4 admitted" in line for line in lines)
    assert "\x1b" not in valued.first.stderr


def test_a_second_value_stands_in_people_s_words_and_in_json(valued: Valued) -> None:
    again = invoke("value", valued.config)
    assert again.exit_code == 0
    assert "nothing was recomputed, its results are current" in " ".join(again.stdout.split())
    document = json.loads(invoke("value", valued.config, "--json").stdout)
    assert document["up_to_date"] is True
    assert next(iter(document)) == "headline"
    assert [one["contributor"] for one in document["contributors"]] == list(PLANTED)
    assert all(one["sentence"].startswith(f"{one['verdict']}: ") for one in document["contributors"])
    assert (document["n_planned"], document["n_ranked"], document["n_rejected"]) == (4, 3, 1)


def test_a_chosen_warning_gives_an_exit_code_of_its_own_also_where_nothing_has_changed(valued: Valued) -> None:
    warned = invoke("value", valued.config, "--json", "--fail-on", "few-contributors")
    assert warned.exit_code == 9
    assert "few-contributors" in {one["kind"] for one in json.loads(warned.stdout)["warnings"]}
    assert "--fail-on: caution warning few-contributors" in warned.stderr
    assert invoke("value", valued.config, "--json", "--fail-on", "near-target").exit_code == 0
    assert invoke("value", valued.config, "--fail-on", "nonsense").exit_code == 2


def test_a_process_of_its_own_says_the_same(valued: Valued) -> None:
    environment = os.environ | {"PREFECT_API_URL": str(PREFECT_API_URL.value())}
    command = [PROGRAM, "value", valued.config, "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["up_to_date"] is True
    assert done.stderr == ""


def test_report_is_written_again(valued: Valued) -> None:
    document = json.loads(invoke("value", valued.config, "--json").stdout)
    report = Path(document["url"].removeprefix("file://")) / "report.html"
    before = report.read_bytes()
    report.unlink()
    assert invoke("report", document["url"]).exit_code == 0
    assert report.read_bytes() == before
    told = json.loads(invoke("report", valued.world.output, "--json").stdout)
    assert told["report"].endswith(f"{document['run_id']}/report.html")


def test_explain_says_why_this_rank(valued: Valued) -> None:
    said = invoke("explain", valued.world.output, "far")
    assert said.exit_code == 0
    assert "Rank 3 of 3" in said.stdout
    assert "costs it most" in said.stdout
    document = json.loads(invoke("explain", valued.world.output, "near", "--json").stdout)
    assert document["rank"] == 1
    assert [one["term"] for one in document["contributions"]] == list(TERMS)
    assert sum(one["weighted"] for one in document["contributions"]) == pytest.approx(document["value"])


def test_explain_says_why_somebody_was_refused(valued: Valued) -> None:
    said = invoke("explain", valued.world.output, "tiny")
    assert said.exit_code == 0
    assert "rejected" in said.stdout
    assert "found 3" in said.stdout


def test_explain_offers_the_nearest_name(valued: Valued) -> None:
    said = invoke("explain", valued.world.output, "naer")
    assert said.exit_code == 2
    assert "Did you mean 'near'" in said.stderr
    as_json = invoke("explain", valued.world.output, "naer", "--json")
    assert as_json.exit_code == 2
    assert json.loads(as_json.stdout)["error"] == "ConfigError"


def test_a_run_is_shown_by_its_url_its_id_and_its_configuration(valued: Valued, monkeypatch: pytest.MonkeyPatch) -> None:
    document = json.loads(invoke("value", valued.config, "--json").stdout)
    shown = invoke("show", valued.world.output).stdout
    places = [shown.index(name) for name in (*PLANTED, "tiny", document["run_id"], "report.html")]
    assert places == sorted(places)
    monkeypatch.chdir(valued.config.parent)
    for given in (document["url"], document["run_id"], valued.config):
        assert invoke("show", given).stdout == shown
    monkeypatch.chdir(valued.world.source)
    said = invoke("show", document["run_id"])
    assert said.exit_code == 2
    assert "neither --output nor mixval.yaml" in said.stderr
    as_json = json.loads(invoke("show", document["run_id"], "--output", valued.world.output, "--json").stdout)
    assert [row["contributor"] for row in as_json["ranking"]] == list(PLANTED)
    assert {row["contributor"] for row in as_json["rejected"]} == {"tiny"}
    other = invoke("show", "20200101T000000Z-00000000", "--output", valued.world.output)
    assert other.exit_code == 2
    assert "found none of this id" in other.stderr


def test_runs_are_listed_newest_first_and_compared(valued: Valued, tmp_path: Path) -> None:
    output = shutil.copytree(valued.world.output, tmp_path / "out")
    document = json.loads(invoke("value", valued.config, "--json").stdout)
    latest = output / "runs" / document["run_id"]
    shutil.copytree(latest, output / "runs" / "20200101T000000Z-00000000")
    (output / "runs" / "20190101T000000Z-00000000").mkdir()  # a run that was stopped before its manifest
    broken = shutil.copytree(latest, output / "runs" / "20180101T000000Z-00000000")
    (broken / "manifest.json").write_text("{}")
    said = invoke("list", output)
    assert said.exit_code == 0, said.output
    lines = [line for line in said.stdout.splitlines() if not line.startswith(" ")]
    assert lines[0] == f"{document['run_id']} (latest)  3 with a value, 1 without"
    assert [line.split()[0] for line in lines[1:]] == ["20200101T000000Z-00000000", "20180101T000000Z-00000000"]
    assert f"    {document['headline']} Without a value: tiny." in said.stdout
    assert "unreadable" in lines[2]
    few = json.loads(invoke("list", output, "--limit", "1", "--json").stdout)
    assert (few["n_runs"], [one["state"] for one in few["runs"]]) == (3, ["latest"])
    assert "no run has been published here" in invoke("list", tmp_path).stdout
    compared = invoke("diff", "20200101T000000Z-00000000", latest, "--output", output)
    assert compared.exit_code == 0, compared.output
    assert "Configuration, versions and inputs are the same." in compared.stdout
    assert json.loads(invoke("diff", latest, output, "--json").stdout)["compared_by"] == "order"


def test_the_schema_has_every_key_with_its_meaning() -> None:
    schema = json.loads(invoke("schema").stdout)
    assert set(schema["properties"]) == set(ValuationConfig.model_fields)
    told = schema["$defs"]["SampleConfig"]["properties"]["count"]["description"]
    assert told.startswith("Most rows per contributor")
    assert "recipe" in json.loads(invoke("schema", "calibration").stdout)["properties"]
    assert invoke("schema", "evaluation").exit_code == 2


def test_a_union_of_a_run_without_sums_is_refused(valued: Valued) -> None:
    said = invoke("value", valued.world.output, "--union", "near,far")
    assert said.exit_code == 2
    assert "`ntk.method: exact` that does not. Set `ntk.method: sketched`" in said.stderr
    assert invoke("value", valued.world.output, "--union", "near", "--set", "seed=1").exit_code == 2
    assert "Correct the quotes" in invoke("value", valued.world.output, "--union", '"near').stderr


def test_a_union_has_its_value(world: World) -> None:
    """Through the steps alone, without a flow."""
    config = world.config(
        ntk={"method": "sketched", "sketch_features": 64, "output": "mix"}, value={"method": "ntk-regression"}
    )
    run = value_gated(gate_here(config))
    jobs = run.jobs
    refs = commit_for_coalitions(config, jobs, run.prepared.target_job, run.reduced)
    account = RunAccount(datetime.now(UTC), {}, {}, {}, [], refs, run.gate_refs)
    summary = publish(config, run.prepared, list(run.outcomes.values()), run.reduced, account, None)
    said = invoke("value", summary.url, "--union", '"near", far')
    assert said.exit_code == 0, said.output
    assert "together, from 72 rows" in said.stdout
    assert "has no interval" not in said.stdout
    lines = [line for line in said.stdout.splitlines() if line.endswith(")") and " to " in line]
    assert len(lines) == 3  # together, and each alone
    told = json.loads(invoke("value", summary.url, "--union", "near", "--union", "far,near", "--json").stdout)
    assert told["contributors"] == ["near", "far"]
    assert told["alone"]["near"] == pytest.approx(run.values["near"], rel=1e-3)
    assert told["value_kind"] == "log-probability-gain-score"


@pytest.fixture
def with_coalitions(valued: Valued, tmp_path: Path) -> Path:
    """The run's folder with coalition values beside its tables: `mixed` brings what `near` brings."""
    folder = Path(json.loads(invoke("value", valued.config, "--json").stdout)["url"].removeprefix("file://"))
    copied = shutil.copytree(folder, tmp_path / folder.name)
    columns = ("contributor", "alone", "leave_one_out", "shapley", "greedy_step", "greedy_value")
    columns += ("leave_one_out_error", "greedy_gain_error")
    rows = [("far", -1.0, -0.1, 0.2, 3, 1.2), ("mixed", 0.5, 0.05, 0.9, 2, 1.1), ("near", 0.7, 0.1, 0.9, 1, 0.7)]
    rows = [(*row, 0.01, 0.01) for row in rows]
    pairs = [("far", "mixed", 0.0), ("far", "near", 0.0), ("mixed", "near", 0.6)]
    pairs = [(*pair, 0.01, 0.0, 0.0) for pair in pairs]
    tables = {
        "coalitions": ([dict(zip(columns, row, strict=True)) for row in rows], COALITIONS),
        "redundancy": ([dict(zip(REDUNDANCY.names, pair, strict=True)) for pair in pairs], REDUNDANCY),
    }
    for name, (listed, schema) in tables.items():
        target = open_location(str(copied)).child(f"{name}.parquet")
        write_table(target, pa.Table.from_pylist(listed, schema=schema), schema)
    account = CoalitionAccount(method="exact", n_contributors=3, n_coalitions=8, value_of_all=1.0, value_of_empty=-1.0)
    manifest = open_run(str(copied)).manifest.model_copy(update={"coalitions": account})
    (copied / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")
    return copied


def test_coalition_values_are_explained_summed_up_and_reported(
    with_coalitions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = invoke("explain", with_coalitions, "near")
    assert said.exit_code == 0, said.output
    assert "without mixed, its leave-one-out value would be 0.700, of which mixed covers 86 %" in " ".join(said.stdout.split())
    document = json.loads(invoke("explain", with_coalitions, "near", "--json").stdout)["coalitions"]
    assert (document["shapley_rank"], document["greedy_step"]) == (1, 1)
    assert document["substitutes"][0]["contributor"] == "mixed"
    assert invoke("report", with_coalitions).exit_code == 0
    assert 'data-chart="redundancy"' in (with_coalitions / "report.html").read_text(encoding="utf-8")
    manifest = open_run(str(with_coalitions)).manifest
    counts = {"n_planned": 4, "n_ranked": 3, "n_rejected": 1, "n_failed": 0, "recomputed": {}, "reused": {}}
    says = {"headline": "", "verdicts": "", "is_ordered": True}
    names = says | {"run_id": manifest.run_id, "url": str(with_coalitions), "fingerprint": manifest.fingerprint}
    print_summary(RunSummary(**names, **counts, timings_seconds={}, warnings=[]))
    assert "best next contributor: near, mixed and far; value together 1." in " ".join(capsys.readouterr().out.split())


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    said = invoke("report", tmp_path)
    assert said.exit_code == 2
    assert "expected a run's folder or an output root with latest.json, found neither" in said.stderr


def test_plan_for_people_and_for_machines(world: World) -> None:
    file = write(world)
    said = invoke("plan", file)
    assert said.exit_code == 0, said.output
    assert all(name in said.stdout for name in (*PLANTED, "target"))
    document = json.loads(invoke("plan", file, "--json").stdout)
    assert {one["name"]: (one["n_rows"], one["n_sampled"], one["n_gradient_rows"]) for one in document["contributors"]} == {
        "near": (60, 60, 24),
        "mixed": (36, 36, 24),
        "far": (12, 12, 12),
    }
    assert document["target"]["n_rows"] == 40
    assert all(one["seconds"] > 0 for one in (*document["contributors"], document["target"]))
    assert not world.output.exists()  # neither runs nor artifacts are written


def test_version_and_help_in_a_process_of_their_own() -> None:
    version = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout == f"mixval {__version__}\n"
    before = os.times().children_user
    helped = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, check=True)
    spent = os.times().children_user - before
    assert all(command in helped.stdout for command in ("init", "plan", "value", "report", "explain"))
    assert all(code in " ".join(helped.stdout.split()) for code in ("3 no contributor admitted", "130 interrupted"))
    assert spent < 2.0, f"--help took {spent:.1f} s of processor time"


def test_help_of_run_lists_the_flows_and_every_other_name_is_refused_with_them(valued: Valued) -> None:
    helped = " ".join(invoke("run", "--help").stdout.split())
    assert "valuation: Rank contributors" in helped
    assert "calibration: Train on each contributor" in helped
    assert "ingestion: " in helped
    again = invoke("run", "valuation", valued.config, "--json")
    assert again.exit_code == 0
    assert json.loads(again.stdout)["up_to_date"] is True
    assert again.stdout == invoke("value", valued.config, "--json").stdout
    refused = invoke("run", "evaluation", valued.config)
    assert refused.exit_code == 2
    assert (
        "expected one of valuation, calibration, ingestion, synthesis, experiment, study, found 'evaluation'" in refused.stderr
    )


def test_completion_can_be_shown() -> None:
    environment = os.environ | {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = subprocess.run([PROGRAM, "--show-completion", "bash"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "_MIXVAL_COMPLETE" in done.stdout
