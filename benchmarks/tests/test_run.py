"""The runner's figures, which stand beside those of other commands, and what its command line refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.evidence.run import checkpoint_of, command_of, figures, parsed
from benchmarks.figures import figure, write_beside
from mixval.evidence.comparison import compare
from tests.evidence.planted_results import planted_worlds


def test_figures_stand_beside_those_of_other_commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("benchmarks.figures.RESULTS", tmp_path)
    for name, command in (("old", "run a"), ("b", "run"), ("c", "runner a"), ("d", "reduced a")):
        file = write_beside("evidence", [figure(name, 1.0, "-", "1", command)], "none")
    write_beside("evidence", [figure("new", 2.0, "-", "1", "run b c")], "run")
    assert [(one["name"], one["command"]) for one in json.loads(file.read_text())] == [
        ("c", "runner a"),
        ("d", "reduced a"),
        ("new", "run b c"),
    ]


def test_figures_have_the_house_format() -> None:
    found = compare(planted_worlds(), n_resamples=200)
    by_name = {one["name"]: one for one in figures(found, "command")}
    assert set(by_name["mean_spearman"]) == {"name", "figure", "target", "unit", "command", "commit", "machine", "date"}
    mean = found.named("ntk-regression").mean
    for name, value in (("mean_spearman", mean.value), ("mean_spearman/low", mean.low), ("mean_spearman/high", mean.high)):
        assert by_name[name]["figure"] == pytest.approx(value, rel=1e-3)
    size = found.named("size")
    assert by_name["spearman/words/size"]["figure"] == pytest.approx(size.by_world["words"].value, rel=1e-3)
    assert by_name["rival_mean_spearman/size"]["figure"] == pytest.approx(size.mean.value, rel=1e-3)
    assert by_name["seconds/size"]["figure"] == pytest.approx(size.seconds)
    assert by_name["peak_bytes/size"]["unit"] == "bytes"
    assert by_name["ceiling/words"]["figure"] == pytest.approx(found.ceilings["words"], rel=1e-3)
    assert not [name for name in by_name if name.startswith("rival_mean_spearman/tangent")]
    assert np.isfinite([one["figure"] for one in by_name.values()]).all()


def test_the_command_line_refuses_what_cannot_run(capsys: pytest.CaptureFixture[str]) -> None:
    for words, reason in (
        (["mars", "--data", "d", "--out", "o"], "found mars"),
        (["cifar10", "--out", "o"], "--data"),
        (["sentiment", "--data", "d", "--out", "o", "--language-model", "m"], "'sentiment' needs its backbone: --encoder"),
        (["lm", "--data", "d", "--out", "o", "--encoder", "m"], "'lm' needs its backbone"),
        (["--out", "o", "--methods", "magic"], "magic"),
    ):
        with pytest.raises(SystemExit):
            parsed(words)
        assert reason in capsys.readouterr().err
    given = parsed(["lm", "sentiment", "cifar10", "--data", "d", "--out", "o", "--language-model", "l", "--encoder", "e"])
    assert [str(checkpoint_of(name, given)) for name in ("lm", "sentiment", "cifar10")] == ["l", "e", "None"]
    again = [*command_of("lm", given, ["size"]).split()[3:], "--data", "d", "--out", "o", "--language-model", "l"]
    assert (parsed(again).worlds, parsed(again).contributors) == (["lm"], given.contributors)
