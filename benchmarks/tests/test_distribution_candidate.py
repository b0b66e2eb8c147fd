"""The fixed candidate against the value as it is: what is compared, and over worlds."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.evidence.distribution import candidate
from benchmarks.evidence.distribution.catalogue import listed
from benchmarks.evidence.distribution.results import HEADLINE, result_file, write
from benchmarks.evidence.distribution.switches import AS_MEASURED, OTHER_PENALTY, settings_of
from benchmarks.tests.planted_distribution import planted
from mixval.config.tasks import Task

LM, INSTRUCTION = "language-modelling", "instruction"


def test_the_candidates_value_is_compared_with_the_present_one_alone() -> None:
    rows = [
        (AS_MEASURED, "value", HEADLINE, 0.5),
        (AS_MEASURED, "value", "log-likelihood/planned-steps", 0.1),
        (AS_MEASURED, "first-order", HEADLINE, 0.2),
        (candidate.SETTINGS, OTHER_PENALTY, HEADLINE, 0.9),
    ]
    assert candidate.compared(rows) == {"present": 0.5, "candidate": 0.9}
    assert settings_of(candidate.SETTINGS) == {"ntk": {"preconditioner": "target"}, "value": {"damping": 0.1}}


@pytest.mark.parametrize(("clusters", "has_interval"), [(("a", "b", "c", "d"), True), (("a", "b", "c", "c"), False)])
def test_margins_are_over_worlds_with_an_interval_over_clusters(clusters: tuple[str, ...], has_interval: bool) -> None:
    tasks: tuple[Task, ...] = (LM, LM, INSTRUCTION, INSTRUCTION)
    worlds = [planted(str(at), {}, cluster=one, task=task) for at, (one, task) in enumerate(zip(clusters, tasks, strict=True))]
    found = {one["name"]: one["figure"] for one in candidate.margin_figures(worlds, [0.1, 0.3, -0.2, 0.0], "c")}
    told = {"candidate_margin": 0.05, f"candidate_margin/{LM}": 0.2, f"candidate_margin/{INSTRUCTION}": -0.1}
    assert {name: found[name] for name in told} == pytest.approx(told)
    assert (found["candidate_worlds_won"], found["candidate_worlds_lost"]) == (2, 1)
    assert ("candidate_margin_low" in found) is has_interval
    if has_interval:
        low, high = found["candidate_margin_low"], found["candidate_margin_high"]
        assert low is not None
        assert high is not None
        assert -0.2 <= low < 0.05 < high <= 0.3


def test_worlds_of_classifiers_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = {one.dataset: one.name for one in reversed(listed("judged"))}
    for name, task in ((names["lm"], LM), (names["sentiment"], "text-classification")):
        write(planted(name, {}, task=task), result_file(tmp_path, next(one for one in listed() if one.name == name)))
    where = ["--data", "d", "--out", "o", "--results", str(tmp_path)]
    assert candidate.parsed([names["lm"], *where]).set == [candidate.SETTINGS]
    with pytest.raises(SystemExit):
        candidate.parsed([names["lm"], names["sentiment"], *where])
    assert f"found {names['sentiment']}" in capsys.readouterr().err
