"""Writers of other packages: found by their entry points, given the finished files; no ranking is lost to one that fails."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mixval.publish.publication import finish_run, write_files
from mixval.publish.results import GateResults, PublishedValuation
from mixval.publish.stored_run import open_run
from mixval.publish.writers.installed import write_by_installed
from mixval.publish.writers.ranking_csv import write_ranking_csv
from mixval.publish.writers.report import write_report
from mixval.publish.writers.tables import write_tables
from mixval.storage.root import Location, open_location
from tests.publish.published_run import make_results

WRITERS = """
def upper(folder, results):
    names = results.ranking["contributor"].to_pylist()
    assert folder.child("ranking.parquet").exists()
    folder.child("upper.txt").write_bytes("\\n".join(names).upper().encode())

def broken(folder, results):
    raise RuntimeError("no server at https://me:secret@host/x?token=abc\\x1b[2J")
"""
MLFLOW = Path(__file__).parents[2] / "examples" / "mlflow_writer"


def install(folder: Path, points: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution with these entry points, as pip leaves one behind."""
    metadata = folder / "third_party-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 1.0\n")
    listed = "\n".join(f"{name} = {value}" for name, value in points.items())
    (metadata / "entry_points.txt").write_text(f"[mixval.writers]\n{listed}\n")
    (folder / "third_party_writers.py").write_text(WRITERS)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "third_party_writers", raising=False)


@pytest.fixture
def results() -> PublishedValuation:
    made = make_results()
    return PublishedValuation(
        manifest=made.manifest,
        ranking=made.ranking,
        terms=made.terms,
        rejected=made.rejected,
        gate=GateResults({}, None),
    )


def published(root: Location, results: PublishedValuation) -> tuple[Location, PublishedValuation]:
    folder = write_files(root, results, (write_tables, write_ranking_csv, write_report))
    written = write_by_installed(folder, results)
    return finish_run(root, written.manifest, None), written


def test_without_any_nothing_changes(tmp_path: Path, results: PublishedValuation) -> None:
    folder = write_files(open_location(tmp_path), results, (write_tables,))
    assert write_by_installed(folder, results) is results


def test_they_write_into_the_run_and_one_that_fails_is_a_warning_by_its_name(
    tmp_path: Path, results: PublishedValuation, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = {"copy": "third_party_writers:upper", "far": "third_party_writers:broken", "gone": "third_party_writers:nothing"}
    install(tmp_path / "site", points, monkeypatch)
    folder, written = published(open_location(tmp_path / "out"), results)
    names = results.ranking["contributor"].to_pylist()
    assert folder.child("upper.txt").read_bytes().decode() == "\n".join(names).upper()
    failed = [one for one in written.manifest.warnings if one.kind == "writer-failed"]
    assert [one.words.partition(" failed")[0] for one in failed] == [
        "The writer `far` (third_party_writers:broken)",
        "The writer `gone` (third_party_writers:nothing)",
    ]
    assert "RuntimeError: no server at https://host/x" in failed[0].words
    assert not {"secret", "token", "\x1b"} & {part for part in ("secret", "token", "\x1b") if part in failed[0].words}
    stored = open_run(str(tmp_path / "out"))
    assert stored.ranking.equals(results.ranking)
    assert [one.kind for one in stored.manifest.warnings].count("writer-failed") == 2
    assert "The writer `far`" in folder.child("report.html").read_bytes().decode()


@pytest.mark.mlflow
@pytest.mark.filterwarnings("ignore")  # MLflow's own, of pydantic and SQLAlchemy
def test_mlflow_has_the_ranking_and_the_report(
    tmp_path: Path, results: PublishedValuation, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    install(tmp_path / "site", {"mlflow": "mixval_mlflow:write"}, monkeypatch)
    monkeypatch.syspath_prepend(str(MLFLOW))
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    mlflow.create_experiment("valuations", artifact_location=(tmp_path / "kept").as_uri())
    mlflow.set_experiment("valuations")
    configured: dict[str, Any] = results.manifest.config | {"seed": 7}
    results = replace(results, manifest=results.manifest.model_copy(update={"config": configured}))
    folder, written = published(open_location(tmp_path / "out"), results)
    assert [one for one in written.manifest.warnings if one.kind == "writer-failed"] == []
    [run] = mlflow.search_runs(output_format="list")
    assert run.info.run_name == results.manifest.run_id
    assert run.data.params == {"task": "text-classification", "seed": "7"}
    assert run.data.metrics["n_ranked"] == 12
    assert run.data.metrics["best_value"] == results.ranking["value"][0].as_py()
    kept = mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/ranking.json")
    table = json.loads(kept)
    at = table["columns"].index("contributor")
    assert [row[at] for row in table["data"]] == results.ranking["contributor"].to_pylist()
    assert folder.child("ranking.csv").exists()
