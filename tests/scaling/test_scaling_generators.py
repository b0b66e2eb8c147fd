"""What mixed rows are worth in real ones: known half-way places, soft truncation without a plateau, counts, the command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mixval.errors import ShapeError
from mixval.scaling.effective_rows import exchange, of_mixture, of_shares, synthetic_shares
from mixval.scaling.generators import Compared, compare, compare_shares
from mixval.scaling.knowledge import Generator, Mixture
from mixval.scaling.phases import bends
from tests.cli.command_line import invoke

CUT = Mixture(2, 0.0625, Generator("cut", 70))


@pytest.fixture(scope="module")
def found() -> dict[str, Compared]:
    return {f"{one.kind} {one.n_items}": one for one in compare(2.0, 70, 0.0625)}


def test_of_a_cut_it_is_the_slope_over_the_slope_far_away(found: dict[str, Compared]) -> None:
    by_slope, by_rows = bends(CUT), found["cut None"].found
    assert by_rows.first == pytest.approx(by_slope.first, rel=5e-3)
    assert by_rows.second == pytest.approx(by_slope.second, rel=5e-3)
    assert by_rows.lowest == pytest.approx(by_slope.flattest / -0.5, rel=1e-2)  # read off 300 places
    assert by_rows.rate[-1] == pytest.approx(1, abs=1e-3)
    assert by_rows.effective[-1] / by_rows.n[-1] == pytest.approx(0.0625, rel=1e-2)


def test_rows_of_which_a_tenth_count() -> None:
    made = exchange(lambda n: 0.5 / np.sqrt(0.1 * n), lambda n: 0.5 / np.sqrt(n))
    assert made.effective / made.n == pytest.approx(0.1, rel=1e-9)
    assert (made.first, made.second) == (None, None)


def test_a_temperature_has_no_plateau_and_a_sample_has_one(found: dict[str, Compared]) -> None:
    """The colder generator is worth its temperature from the start; its only bend lies beyond k^beta / pi."""
    cold, sample = found["temperature None"], found["finite None"]
    assert cold.found.first is None
    assert cold.found.second is None
    assert cold.found.lowest == pytest.approx(cold.at, abs=0.03)
    assert cold.found.turn is not None
    assert cold.found.turn / cold.second == pytest.approx(3.34, abs=0.05)
    assert sample.found.first is not None
    assert sample.found.second is not None
    assert sample.found.first / sample.first == pytest.approx(2.60, abs=0.03)
    assert sample.found.second / sample.second == pytest.approx(1.64, abs=0.03)


def test_a_hundred_pieces_move_the_places_less_than_their_slopes_do(found: dict[str, Compared]) -> None:
    """By slopes they lie at 4.7 k^beta and 0.55 k^beta / pi, since real data alone falls steeply there, too."""
    few = found["cut 100"]
    assert few.found.first is not None
    assert few.found.second is not None
    assert few.found.first / few.first == pytest.approx(1.99, abs=0.03)
    assert few.found.second / few.second == pytest.approx(1.95, abs=0.03)


def test_shares_of_a_power_law_give_what_the_law_gives() -> None:
    mixture = Mixture(1.5, 0.05, Generator("cut", 40), n_items=3_000)
    by_law = of_mixture(mixture)
    p = mixture.p(np.arange(1, 3_001.0))
    by_shares = of_shares(p, mixture.generator, 0.05)
    assert by_shares.first == pytest.approx(by_law.first, rel=1e-6)
    assert by_shares.second == pytest.approx(by_law.second, rel=1e-6)
    assert np.flatnonzero(synthetic_shares(p, Generator("top-p", float(p[:12].sum()))))[-1] == 11
    assert synthetic_shares(p, Generator("temperature", 0.5)) == pytest.approx(p**2 / (p**2).sum())


def test_shares_that_follow_no_power_law() -> None:
    """Two steps of equal pieces: the plateau is wide, since synthetic data holds the first step and no more."""
    p = np.concatenate([np.full(50, 0.018), np.full(1_000, 0.0001)])
    cut = compare_shares(p, 50, 0.01)[0]
    assert cut.found.first is not None
    assert cut.found.second is not None
    assert cut.found.second / cut.found.first > 100
    with pytest.raises(ShapeError, match="a rank from 1 to 1049"):
        compare_shares(p, 1_050, 0.01)
    with pytest.raises(ShapeError, match="a share between 0 and 1"):
        compare_shares(p, 50, 1.0)


def test_what_does_not_fall_is_refused() -> None:
    with pytest.raises(ShapeError, match="errors that fall"):
        exchange(np.ones_like, np.ones_like)


def test_the_command_draws_and_tells(tmp_path: Path) -> None:
    counts, plot = tmp_path / "counts.txt", tmp_path / "rows.svg"
    counts.write_text("\n".join(str(round(30_000 / rank**1.5)) for rank in range(1, 300)), encoding="utf-8")
    common = ("scaling", "generators", "--real", "0.05", "--cut", "30", "--counts", counts)
    lines = json.loads(invoke(*common, "--json", "--plot", plot).stdout)
    assert [one["generator"] for one in lines] == ["cut", "finite", "temperature"]
    assert lines[0]["first_over_formula"] is not None
    drawn = plot.read_text(encoding="utf-8")
    assert drawn.startswith("<?xml")
    assert all(words in drawn for words in ("cut at rank 30", "temperature 0."))
    assert "k^beta / pi" in invoke(*common).stdout
    assert invoke(*common, "--plot", tmp_path / "rows.png").exit_code == 2
