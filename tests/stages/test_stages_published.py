"""A run is up to date where its published files are there and whole; else it is published again, from the same artifacts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.torture.world import config_of, lay_out
from mixval.config.valuation import ValuationConfig
from mixval.contracts.run import RunSummary
from mixval.errors import DamagedRunError, StorageError
from mixval.publish.stored_run import open_run, rebuild_report
from mixval.stages.whole_run import run_here
from mixval.storage.pointer import read_latest
from mixval.storage.root import open_location


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    lay_out(folder)
    run_here(config_of(folder, folder / "out", "exact"))
    return folder


@pytest.fixture
def published(world: Path, tmp_path: Path) -> tuple[ValuationConfig, Path, Path]:
    """The configuration, the output, and the folder of the run."""
    output = tmp_path / "out"
    shutil.copytree(world / "out", output)
    (run,) = (output / "runs").iterdir()
    return config_of(world, output, "exact"), output, run


def _flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))


def _number(file: Path) -> None:
    manifest = json.loads(file.read_text())
    file.write_text(json.dumps(manifest | {"seeds": {"run": 7}}))


DAMAGES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "table gone": ("ranking.parquet", Path.unlink),
    "table flipped": ("terms.parquet", _flip),
    "report cut": ("report.html", lambda file: file.write_bytes(file.read_bytes()[:-9])),
    "manifest cut": ("manifest.json", lambda file: file.write_bytes(file.read_bytes()[:-9])),
    "manifest not text": ("manifest.json", lambda file: file.write_bytes(b"\xff\xfe")),
    "manifest of another meaning": ("manifest.json", _number),
    "another JSON": ("manifest.json", lambda file: file.write_bytes(b"[]")),
}


def again(config: ValuationConfig, before: RunSummary | None = None) -> RunSummary:
    """A run that published the ranking again, and made no artifact."""
    summary = run_here(config)
    assert not summary.up_to_date
    assert not any(summary.recomputed.values())
    assert [one.kind for one in summary.warnings].count("made-again") == 1
    assert before is None or summary.contributors == before.contributors
    return summary


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_run_is_told_and_published_again(published: tuple[ValuationConfig, Path, Path], damage: str) -> None:
    config, _, run = published
    before = run_here(config)
    assert before.up_to_date
    name, spoil = DAMAGES[damage]
    spoil(run / name)
    if name.endswith((".parquet", ".json")):
        with pytest.raises(DamagedRunError):
            open_run(str(run))
    summary = again(config, before)
    assert open_run(summary.url).ranking.num_rows == 4
    assert run_here(config).up_to_date


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"run_id": 3}'])
def test_a_damaged_pointer_is_told_and_replaced(published: tuple[ValuationConfig, Path, Path], content: bytes) -> None:
    config, output, _ = published
    (output / "latest.json").write_bytes(content)
    with pytest.raises(StorageError, match="expected the pointer to a run, found another content"):
        read_latest(open_location(output))
    summary = again(config)
    assert read_latest(open_location(output)).run_id == summary.run_id  # type: ignore[union-attr]
    assert run_here(config).up_to_date


def test_a_report_that_was_built_again_is_part_of_the_run(published: tuple[ValuationConfig, Path, Path]) -> None:
    config, _, run = published
    (run / "report.html").write_text("from before")
    rebuild_report(open_run(str(run)))
    assert run_here(config).up_to_date
