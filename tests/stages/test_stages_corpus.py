"""Corpora counted shard by shard: what is counted again, what side by side gives, and what is left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mixval.config.source import SourceConfig
from mixval.stages.corpus.measuring import measure_corpora
from mixval.stages.corpus.request import CorpusRequest
from tests.corpus.files import planted, texts, write


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The planted files."""
    return planted(tmp_path)


def run(data: Path, output: str = "out", n_workers: int = 1) -> dict[str, Any]:
    """The document of a run over both corpora."""
    target = str(data / "target.parquet")
    urls = {"near": str(data / "near"), "far": str(data / "far.parquet")}
    corpora = tuple((name, SourceConfig(contributors={name: url}, target=target)) for name, url in urls.items())
    aim = (("target", SourceConfig(contributors=target, target=target)),)
    return measure_corpora(CorpusRequest(corpora, aim, str(data / output), n_workers=n_workers)).document


def test_only_an_added_shard_is_counted(data: Path) -> None:
    before = run(data)
    kept = {file: file.stat().st_mtime_ns for file in (data / "out/artifacts/corpus-counts").rglob("record.json")}
    write(data / "near/c.parquet", text=texts(5, 0.8))
    after = run(data)
    now = {file: file.stat().st_mtime_ns for file in (data / "out/artifacts/corpus-counts").rglob("record.json")}
    assert len(now) == len(kept) + 1
    assert {file: now[file] for file in kept} == kept
    n_documents = [one["n_documents"] for document in (before, after) for one in document["corpora"] if one["name"] == "near"]
    assert n_documents == [120, 180]


def test_workers_give_the_same_numbers(data: Path) -> None:
    alone, together = run(data), run(data, output="other", n_workers=2)
    assert [one["statistics"] for one in alone["corpora"]] == [one["statistics"] for one in together["corpora"]]


def test_hostile_rows_are_left_out_and_named(data: Path) -> None:
    odd = ["", None, *texts(6, 0.8), "<eos> <bos>", "x" * 100_000]
    origins = ["real"] * 61 + ["martian"] * 3
    write(data / "far.parquet", text=odd, origin=origins)
    write(data / "near/a.parquet", words=["no text column"])
    document = run(data)
    assert [one["name"] for one in document["failed"]] == ["near"]
    assert "text" in document["failed"][0]["reason"]
    (far,) = [one for one in document["corpora"] if one["name"] == "far"]
    assert (far["n_documents"], far["n_skipped"]) == (59, 5)
