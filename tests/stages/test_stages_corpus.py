"""Corpora counted shard by shard: what is counted again, what side by side gives, and what is left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mixval.config.source import SourceConfig
from mixval.errors import ConfigError
from mixval.publish.stored_run import open_run
from mixval.stages.corpus.measuring import measure_corpora
from mixval.stages.corpus.request import CorpusRequest, request_of
from mixval.stages.whole_run import run_here
from tests.corpus.files import planted, texts, write
from tests.worlds import planted as planted_world
from tests.worlds import rows


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


def test_a_run_says_of_its_contributors_what_the_command_says(tmp_path: Path) -> None:
    world = planted_world(tmp_path, "language-modelling")
    world.contribute("far", rows(world.task, 20, start=700, is_near=False), shard="part-1.parquet")
    config = world.config(value={"corpus": True})
    summary = run_here(config)
    stored = open_run(summary.url)
    assert stored.corpora is not None
    assert summary.warnings == [one for one in summary.warnings if one.kind != "corpus-failed"]
    found = {row["contributor"]: row for row in stored.corpora.to_pylist()}
    assert list(found) == stored.ranking["contributor"].to_pylist()
    alone = measure_corpora(replace(request_of(config), output=str(tmp_path / "alone"))).document
    said = {one["name"]: one for one in alone["corpora"] if one["part"] == "all"}
    for name, row in found.items():
        assert (row["n_documents"], row["n_tokens"]) == (said[name]["n_documents"], said[name]["n_tokens"])
        for statistic in ("kl", "js", "token_coverage"):
            assert row[statistic] == pytest.approx(said[name]["targets"]["target"][statistic]["value"], rel=1e-12)
        assert row["kl_high"] == pytest.approx(said[name]["targets"]["target"]["kl"]["high"], rel=1e-9)
        assert row["n_gaps"] == said[name]["gaps"]["target"]["n_gaps"]
        assert row["distinct_2"] is None  # of fewer tokens than are compared
    assert stored.truncation is not None
    stops = stored.truncation.to_pylist()
    wanted = [(name, "tokens", reference) for name in ("far", "mixed") for reference in ("target", "real")]
    assert [(row["contributor"], row["over"], row["reference"]) for row in stops] == wanted
    assert stops[0]["n_reference"] == stops[2]["n_reference"]
    assert stops[2]["n_synthetic"] + stops[3]["n_reference"] == found["mixed"]["n_tokens"]
    page = (Path(summary.url.removeprefix("file://")) / "report.html").read_text()
    assert page.count('data-table="corpora"') == 1
    assert "Nearest to the target by tokens: near" in page
    assert run_here(config).up_to_date
    plain = run_here(world.config())
    assert open_run(plain.url).corpora is None
    assert "terms" not in {kind for kind, n in plain.recomputed.items() if n}


def test_a_run_whose_tokens_cannot_be_counted_has_its_ranking_and_says_why(tmp_path: Path) -> None:
    world = planted_world(tmp_path, "language-modelling")
    config = world.config(value={"corpus": True})
    run_here(world.config())
    (world.output / "artifacts/corpus-target").write_text("in the way")
    summary = run_here(config)
    [warned] = [one for one in summary.warnings if one.kind == "corpus-failed"]
    assert "corpus-target" in warned.words
    assert summary.n_ranked == 3
    with pytest.raises(ConfigError, match=r"`value\.corpus` counts tokens of texts"):
        planted_world(tmp_path / "images", "image-classification").config(value={"corpus": True})
