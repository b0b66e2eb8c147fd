"""The runner on a world of its own, end to end: scores are stored method by method, found again, and added to."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.evidence import run
from benchmarks.evidence.worlds.settings import WORLDS, Setting
from mixval.errors import ContractError
from mixval.evidence.baselines.method import Method
from mixval.evidence.baselines.registry import METHODS, methods_for
from mixval.evidence.recipe import TrainingRecipe
from mixval.evidence.results import WorldResult, read_result
from mixval.storage.root import open_location

BERT = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
TINY = Setting(
    "sentiment",
    {"size": (20, 60), "real_share": (0.3, 0.7)},
    TrainingRecipe(learning_rate=1e-2, batch_rows=16, min_steps=4, max_steps=4, validation_share=0.0),
    {"random_init": {"architecture": "bert", "settings": BERT}, "tokenizer": "byte", "max_length": 32},
)
WORDS = (("dull", "flat", "stale", "weak"), ("fresh", "warm", "bright", "moving"))


def reviews(folder: Path, split: str, n: int) -> None:
    random = np.random.default_rng(n)
    rows = []
    for at in range(n):
        label = int(random.integers(2))
        text = f"{split} {at} " + " ".join(random.choice(WORDS[label], size=4))
        rows.append({"id": hashlib.sha256(text.encode()).hexdigest(), "source": split, "text": text, "label": label})
    pq.write_table(pa.Table.from_pylist(rows), folder / f"{split}.parquet")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    (folder / "sentiment").mkdir()
    for split, n in (("real", 300), ("synthetic", 260), ("test", 60)):
        reviews(folder / "sentiment", split, n)
    return folder


@pytest.fixture
def measured(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command with these words: what it has stored."""
    monkeypatch.setitem(WORLDS, "tiny", TINY)

    def of(*words: str, contributors: int = 4) -> WorldResult:
        where = ["--data", str(data), "--out", str(tmp_path), "--contributors", str(contributors), "--seeds", "1"]
        monkeypatch.setattr(sys, "argv", ["run", "tiny", *where, *words])
        run.main()
        return read_result(open_location(tmp_path / "tiny"))

    return of


def records(folder: Path) -> dict[str, int]:
    return {str(one): one.stat().st_mtime_ns for one in (folder / "tiny" / "artifacts" / "scores").rglob("record.json")}


def by_method(result: WorldResult) -> dict[str, dict[str, float]]:
    return {one.method: one.scores for one in result.methods}


def test_a_second_command_adds_to_the_first_and_scores_nothing_again(
    measured: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = measured("--methods", "size", "random", "--ours", "size")
    assert set(by_method(first)) == {"size", "random"}
    assert first.command.endswith("--methods random size")
    before = records(tmp_path)
    assert len(before) == 2
    [line] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("  size: ")]
    assert line.startswith("  size: Spearman ")
    assert line.endswith(" s")

    second = measured("--methods", "mmd", "--ours", "mmd")
    assert set(by_method(second)) == {"size", "random", "mmd"}
    assert {name: scores for name, scores in by_method(second).items() if name != "mmd"} == by_method(first)
    after = records(tmp_path)
    assert len(after) == 3
    assert before.items() <= after.items()
    assert measured("--methods", "size", "--ours", "size") == second
    assert records(tmp_path) == after


def test_what_is_skipped_is_not_computed_but_what_is_stored_stays(measured: Any) -> None:
    measured("--methods", "random", "--ours", "size")
    dear = [one.name for one in methods_for("text-classification") if one.name not in ("size", "real-share")]
    result = measured("--skip", *dear, "--ours", "size")
    assert set(by_method(result)) == {"size", "real-share", "random"}
    assert result.command.endswith("--methods random size real-share")


def test_scores_of_other_rows_are_made_anew(measured: Any, tmp_path: Path) -> None:
    measured("--methods", "size", "random", "--ours", "size")
    other = measured("--methods", "size", "--ours", "size", contributors=5)
    assert set(by_method(other)) == {"size"}
    assert len(by_method(other)["size"]) == 5
    assert len(records(tmp_path)) == 3


def test_a_run_that_was_stopped_keeps_what_had_ended(measured: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as within:
        within.setitem(METHODS, "mmd", Method("mmd", stop))
        with pytest.raises(KeyboardInterrupt):
            measured("--methods", "size", "mmd", "--ours", "size")
    assert len(records(tmp_path)) == 1
    assert set(by_method(measured("--methods", "mmd", "--ours", "mmd"))) == {"size", "mmd"}


def test_with_stored_truth_nothing_is_trained_and_other_methods_are_kept(measured: Any, tmp_path: Path) -> None:
    first = measured("--methods", "size", "random", "--ours", "size")
    stored = tmp_path / "stored"
    (tmp_path / "tiny").rename(tmp_path / "elsewhere")
    (stored / "tiny").mkdir(parents=True)
    (tmp_path / "elsewhere" / "results.json").rename(stored / "tiny" / "results.json")

    second = measured("--methods", "ntk-regression", "--truth", str(stored))
    assert not (tmp_path / "tiny" / "truth").exists()
    assert (second.truth, second.rows, second.truth_seconds) == (first.truth, first.rows, first.truth_seconds)
    ours, size = by_method(second).pop("ntk-regression"), by_method(second)["size"]
    assert set(by_method(second)) == {"size", "random", "ntk-regression"}
    assert (size, ours.keys()) == (by_method(first)["size"], first.truth.keys())
    with pytest.raises(ContractError, match=r"of the 5 contributors of 'tiny' at 1 seed.*on the same rows, found 4 at"):
        measured("--methods", "size", "--truth", str(stored), contributors=5)


def test_the_command_names_the_shorter_of_what_is_in_and_what_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WORLDS, "tiny", TINY)
    given = run.parsed(["tiny", "--data", "d", "--out", "o"])
    everything = [one.name for one in methods_for("text-classification")]
    plain = "python -m benchmarks.evidence.run tiny --contributors 40 --seeds 3 --seed 0"
    assert run.command_of("tiny", given, everything) == plain
    assert run.command_of("tiny", given, everything[:2]) == f"{plain} --methods {everything[0]} {everything[1]}"
    without = [name for name in everything if name != "ekfac"]
    assert run.command_of("tiny", given, without) == f"{plain} --skip ekfac"


def test_what_others_are_compared_with_cannot_be_skipped(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run.parsed(["--out", "o", "--skip", "ntk-regression"])
    assert "Leave it out of --skip" in capsys.readouterr().err
