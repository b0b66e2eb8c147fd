"""Settings held against stored truth: what is parsed, which rankings are compared, and that judged worlds are not touched."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.evidence.distribution import switches
from benchmarks.evidence.distribution.catalogue import listed
from benchmarks.evidence.distribution.results import HEADLINE
from benchmarks.tests.planted_distribution import NAMES, TRUTH, ordered, planted
from mixval.evidence.baselines.product import ProductValues

DEVELOPMENT, JUDGED = (listed(role)[0].name for role in ("development", "judged"))
PLACES = ["--data", "d", "--out", "o"]


def found(values: list[float], **further: Any) -> ProductValues:
    regressions = {name: {"estimate": -value, **further} for name, value in zip(NAMES, values, strict=True)}
    return ProductValues(dict(zip(NAMES, values, strict=True)), regressions, {}, "", 0.0, 0)


def test_settings_are_nested_and_joined() -> None:
    asked = "ntk.preconditioner=target,ntk.preconditioner_floor=0.5,value.damping=1,seed=3"
    ntk = {"preconditioner": "target", "preconditioner_floor": 0.5}
    assert switches.settings_of(asked) == {"ntk": ntk, "value": {"damping": 1}, "seed": 3}
    for broken in ("", "ntk", "=1", "ntk.output="):
        with pytest.raises(ValueError, match="expected settings as"):
            switches.settings_of(broken)


@pytest.mark.parametrize("rho", [1, -1, 0.5])
def test_values_are_held_against_the_mean_of_the_seeds(rho: float) -> None:
    held = planted("a", {})
    order = ordered(rho)
    made = switches.rankings(held, found(order))
    assert list(made) == ["value"]
    wanted = np.corrcoef(order, TRUTH)[0, 1]  # of ranks, which these are
    assert switches.correlations(held, made["value"]) == {HEADLINE: pytest.approx(wanted)}


def test_a_causal_run_has_further_rankings() -> None:
    held = planted("a", {}, task="language-modelling")
    made = switches.rankings(held, found(ordered(1), displacement=1.0))
    assert {name: switches.correlations(held, one)[HEADLINE] for name, one in made.items()} == {
        "value": pytest.approx(1),
        "first-order": pytest.approx(-1),
        switches.OTHER_PENALTY: pytest.approx(-1),
    }
    told = switches.figures("a", [("seed=1", "value", HEADLINE, 0.123456)], "c")
    assert [(one["name"], one["figure"]) for one in told] == [(f"switch/a/seed=1/value/{HEADLINE}", 0.1235)]


def test_judged_worlds_and_what_is_no_setting_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert switches.parsed([DEVELOPMENT, "--set", "seed=1", *PLACES]).set == ["seed=1"]
    for words, told in (
        ([JUDGED, "--set", "seed=1", *PLACES], f"chosen on development worlds, found {JUDGED}"),
        ([DEVELOPMENT, "--set", "seed", *PLACES], "expected settings as"),
    ):
        with pytest.raises(SystemExit):
            switches.parsed(words)
        assert told in capsys.readouterr().err
