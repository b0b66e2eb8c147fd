"""Ranking and terms of runs as Delta tables: once a run, with the columns of all, and never at the cost of a run."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from rich.console import Console

from benchmarks.gate.scene import start
from benchmarks.torture.world import config_of, lay_out
from mixval.cli.summary_view import print_summary
from mixval.config.source import StorageConfig
from mixval.config.valuation import ValuationConfig
from mixval.errors import ConfigError
from mixval.lake.delta import open_table
from mixval.publish.results import ValuationResults
from mixval.publish.stored_run import open_run
from mixval.stages.preparing import prepare_run
from mixval.stages.result_tables import append_results
from mixval.stages.whole_run import run_here
from tests.publish.published_run import make_results
from tests.s3_server import S3Bucket


@pytest.fixture(scope="module")
def results() -> ValuationResults:
    return make_results()


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    lay_out(folder)
    return folder


@pytest.fixture
def config(laid_out: Path, tmp_path: Path) -> ValuationConfig:
    return config_of(laid_out, tmp_path / "out", "exact").model_copy(update={"tables": str(tmp_path / "tables")})


def appended(config: ValuationConfig, results: ValuationResults, run_id: str) -> list[str]:
    """Kinds of warnings."""
    manifest = results.manifest.model_copy(update={"run_id": run_id})
    return [one.kind for one in append_results(config, manifest, results.ranking, results.terms)]


def held(config: ValuationConfig, name: str) -> pa.Table:
    return DeltaTable(f"{config.tables}/{name}").to_pyarrow_table()


def test_rows_enter_once_a_run_with_the_run_they_are_of(config: ValuationConfig, results: ValuationResults) -> None:
    for run_id in ("one", "two", "one", "two"):
        assert appended(config, results, run_id) == []
    for name in ("ranking", "terms"):
        made, table = getattr(results, name), held(config, name)
        assert sorted(table["run_id"].to_pylist()) == ["one"] * len(made) + ["two"] * len(made)
        of_one = table.filter(pa.compute.equal(table["run_id"], "one"))
        assert of_one.select(made.schema.names).to_pylist() == made.to_pylist()
        assert set(of_one["fingerprint"].to_pylist()) == {results.manifest.fingerprint}
        assert set(of_one["published"].to_pylist()) == {datetime.fromisoformat(results.manifest.created)}


def append_all(config: ValuationConfig, results: ValuationResults, runs: Sequence[str]) -> None:
    if any(warned := [appended(config, results, run_id) for run_id in runs]):
        raise SystemExit(str(warned))


def appended_at_once(
    config: ValuationConfig, results: ValuationResults, environment: dict[str, str] | None = None
) -> dict[str, int]:
    """Rows of `ranking` by run, where three processes publish the same three runs at once, each in another order."""
    runs = [f"run {at}" for at in range(3)]
    orders = [runs[at:] + runs[:at] for at in range(3)]
    processes = [start(append_all, config, results, order, environment=environment) for order in orders]
    for one in processes:
        one.join()
    assert [one.exitcode for one in processes] == [0, 0, 0]
    assert config.tables is not None
    for name in ("terms", "ranking"):
        table = open_table(f"{config.tables}/{name}", config.source.storage)
        counted = Counter(run for batch in table.read(int(table.version() or 0), ["run_id"]) for run in batch[0].to_pylist())
        assert counted == dict.fromkeys(runs, len(getattr(results, name)))
    return dict(counted)


def test_runs_that_end_at_once_enter_once_each(config: ValuationConfig, results: ValuationResults) -> None:
    assert set(appended_at_once(config, results)) == {"run 0", "run 1", "run 2"}


@pytest.mark.s3
def test_runs_that_end_at_once_enter_once_each_in_a_bucket(
    config: ValuationConfig, results: ValuationResults, s3_bucket: S3Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, setting in s3_bucket.environment.items():
        monkeypatch.setenv(name, setting)
    source = config.source.model_copy(update={"storage": StorageConfig(endpoint_url=s3_bucket.endpoint)})
    in_bucket = config.model_copy(update={"tables": f"{s3_bucket.url}/tables", "source": source})
    assert set(appended_at_once(in_bucket, results, s3_bucket.environment)) == {"run 0", "run 1", "run 2"}


def test_columns_of_another_mixval_are_added_and_null_before(config: ValuationConfig, results: ValuationResults) -> None:
    assert appended(config, results, "old") == []
    fifth = pa.array([0.5] * len(results.ranking))
    other = replace(results, ranking=results.ranking.append_column("length", fifth).drop_columns(["bound"]))
    assert appended(config, other, "new") == []
    by_run = {(row["run_id"], row["length"], row["bound"] is None) for row in held(config, "ranking").to_pylist()}
    assert by_run == {("old", None, False), ("new", 0.5, True)}


def test_a_run_stands_without_its_tables_and_the_next_command_adds_its_rows(config: ValuationConfig, tmp_path: Path) -> None:
    in_the_way = tmp_path / "tables" / "terms" / "notes.txt"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_text("no table")
    summary = run_here(config)
    assert not summary.up_to_date
    (told,) = [one.words for one in summary.warnings if one.kind == "tables-behind"]
    assert all(words in told for words in (str(in_the_way.parent), "notes.txt", "the same command again"))
    printed = io.StringIO()
    print_summary(summary, Console(file=printed, width=120))
    assert "caution: The tables of results lack" in printed.getvalue()
    in_the_way.unlink()
    for _ in range(2):
        again = run_here(config)
        assert again.up_to_date
        assert "tables-behind" not in [one.kind for one in again.warnings]
    stored = open_run(summary.url)
    assert (len(held(config, "ranking")), len(held(config, "terms"))) == (len(stored.ranking), len(stored.terms))


def test_a_store_without_such_tables_is_refused_before_the_data_are_read(config: ValuationConfig) -> None:
    with pytest.raises(ConfigError, match="tables: expected a local folder or a URL under s3://, found gs://"):
        prepare_run(config.model_copy(update={"tables": "gs://bucket/tables"}), 1, 2**30)
