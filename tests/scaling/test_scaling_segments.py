"""Breakpoints from data: pieces that are there and that are not, intervals that hold them, and what Lemma 1's curve gives."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mixval.errors import ShapeError
from mixval.scaling.expected_error import expected_error
from mixval.scaling.knowledge import Generator, Mixture
from mixval.scaling.laws import Floats
from mixval.scaling.phases import breakpoints
from mixval.scaling.segments import find_breakpoints
from tests.cli.command_line import invoke

N = np.geomspace(300, 1e7, 40)


def pieces(*bends: tuple[float, float], noise: Floats | float = 0.0) -> Floats:
    """A power law with slope -1/2, and changes of slope at these n."""
    x = np.log(N)
    made: Floats = np.exp(-0.5 * x + sum(change * np.maximum(x - np.log(at), 0) for at, change in bends) + noise)
    return made


PLATEAU = ((4_900.0, 0.45), (490_000.0, -0.45))


@pytest.mark.parametrize(("bends", "is_plateau"), [((), False), (((4_900.0, 0.3),), False), (PLATEAU, True)])
def test_as_many_pieces_as_there_are(bends: tuple[tuple[float, float], ...], is_plateau: bool) -> None:
    noise = 0.01 * np.random.default_rng(0).standard_normal(len(N))
    found = find_breakpoints(N, pieces(*bends, noise=noise), np.random.default_rng(0), 50)
    assert found.best.breakpoints == pytest.approx([at for at, _ in bends], rel=0.15)
    assert len(found.best.slopes) == len(bends) + 1
    assert found.has_plateau is is_plateau
    assert [len(one.breakpoints) for one in found.by_number] == [0, 1, 2]


def test_intervals_hold_the_breakpoints() -> None:
    """Ninety tables: of 180 breakpoints 85 to 95 % lie inside, widened by three binomial errors."""
    draw, held = np.random.default_rng(1), []
    for _ in range(90):
        found = find_breakpoints(N, pieces(*PLATEAU, noise=0.03 * draw.standard_normal(len(N))), draw, 80)
        assert len(found.best.breakpoints) == 2
        held += [low <= at <= high for (low, high), (at, _) in zip(found.intervals, PLATEAU, strict=True)]
    assert 0.85 - 0.07 <= np.mean(held) <= 0.95 + 0.05


@pytest.mark.parametrize("real", [0.0625, 0.01, 0.001])
def test_a_fit_to_the_exact_curve_is_not_at_its_formula(real: float) -> None:
    """Three pieces fitted to the noise-free curve break at 0.8 to 1.7 k^beta and 1.2 to 3.3 k^beta / pi: a bias, not noise."""
    mixture = Mixture(2, real, Generator("cut", 70))
    first, second = breakpoints(mixture)
    n = np.geomspace(first / 30, second * 30, 60)
    found = find_breakpoints(n, expected_error(mixture, n), np.random.default_rng(0), 10).by_number[2].breakpoints
    assert 0.8 <= found[0] / first <= 1.7
    assert 1.2 <= found[1] / second <= 3.3


def test_bad_points_are_refused() -> None:
    with pytest.raises(ShapeError, match="at least 6 pairs"):
        find_breakpoints(N[:4], pieces()[:4], np.random.default_rng(0))
    with pytest.raises(ShapeError, match="not positive"):
        find_breakpoints(N, pieces() - 0.01, np.random.default_rng(0))


def test_the_command_says_where(tmp_path: Path) -> None:
    file = tmp_path / "runs.csv"
    file.write_text("n,error\n" + "\n".join(f"{n:.1f},{e:.8f}" for n, e in zip(N, pieces(*PLATEAU), strict=True)))
    common = ("scaling", "breakpoints", file, "--loss", "error", "--data", "n")
    document = json.loads(invoke(*common, "--json").stdout)
    assert document["best"]["breakpoints"] == pytest.approx([4_900, 490_000], rel=0.05)
    assert "The middle piece is a plateau." in invoke(*common).stdout
    assert invoke(*common, "--floor", "0.5").exit_code == 4
