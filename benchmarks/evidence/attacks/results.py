"""What attacks have reached, stored as JSON: scores, truth and ranks before and after, and who noticed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import ValidationError

from benchmarks.evidence.attacks.catalogue import attack_named
from mixval.config.base import FrozenModel
from mixval.config.tasks import Task
from mixval.errors import ContractError
from mixval.storage.root import Location
from mixval.terms.arrays import Floats

FILE = "attacks.json"
TELLING_RANKS = 1.0
"""Ranks, in the mean over contributors, from which a gain counts."""
TELLING_SHARE = 0.01
"""Share of near rows from which a contributor stands out, as `gate.max_target_overlap_share`."""

GAMES = {"ntk-regression": "ntk-regression", "eq8-equal-z": "eq8"}
"""Method -> the game over contributors that values coalitions as it values one."""


class Change(FrozenModel):
    """A number of one contributor among all, before and after an attack. Rank 1 is the best."""

    before: float
    after: float
    rank_before: int
    rank_after: int

    @property
    def gain(self) -> int:
        """Ranks gained."""
        return self.rank_before - self.rank_after


class AttackResult(FrozenModel):
    """One attack by one contributor."""

    attack: str
    contributor: str
    n_before: int
    """Rows."""
    n_after: int
    scores: dict[str, Change]
    """By method, of the rows as they are submitted."""
    truth: Change | None
    """Mean test metric over seeds of a training on these rows alone. None: not trained."""
    beside: tuple[float, float] | None
    """The same when trained with all rows of the set that was copied from, before and after. None for other attacks."""
    verdict: str
    """The gate's, under its default limits."""
    checks: dict[str, str]
    """Checks of the gate that the attack broke and the contributor's own rows do not: column -> warn, drop or reject."""
    after_gate: dict[str, Change]
    """By method, of the rows that the gate leaves. Empty where it rejects."""
    coalitions: dict[str, Change]
    """`shapley/GAME` and `leave-one-out/GAME`, GAME being `eq8` or `ntk-regression`. Empty where they were not taken."""
    near: dict[str, float]
    """Share of the rows near T's, earlier own, and others' ones (`near.py`)."""
    near_before: dict[str, float]
    after_near: dict[str, Change]
    """By method, of the rows that are left where those near T's and earlier own ones are dropped."""


class WorldAttacks(FrozenModel):
    """All attacks in one world."""

    world: str
    task: Task
    n_contributors: int
    n_seeds: int
    """Trainings behind each truth. 0: none."""
    ours: str
    methods: list[str]
    strengths: dict[str, float]
    """By attack."""
    honest_near: dict[str, float]
    """Largest share of near rows among unaltered contributors, planted copies aside."""
    attacks: list[AttackResult]
    command: str = ""

    def of(self, attack: str) -> list[AttackResult]:
        """One attack by every contributor that tried it."""
        return [one for one in self.attacks if one.attack == attack]


class AttackSummary(FrozenModel):
    """One attack over the contributors that tried it."""

    attack: str
    description: str
    gains: dict[str, float]
    """Ranks gained by method, in the mean."""
    score_before: float
    """By ours, in the mean."""
    score_after: float
    truth_gain: float | None
    """Ranks gained in truth, in the mean."""
    truth_change: float | None
    """Of the metric."""
    beside_change: float | None
    """Of the metric when trained with the set that was copied from."""
    coalition_gains: dict[str, float]
    """Ranks gained by coalition value."""
    after_gate: float | None
    """Ranks gained by ours with what the gate leaves; None where it rejects all."""
    after_near: float
    """Ranks gained by ours with what the near check leaves."""
    caught_by: list[str]
    """What notices it. Empty: nothing."""
    would_catch: list[str]
    """Of the checks that the gate does not have, those that would."""
    works: bool
    """Whether ours rises by `TELLING_RANKS`, and by as much more than the worth of the rows does."""


def change(before: Floats, after: Floats, at: int) -> Change:
    """The number at place `at` among (K,) before and (K,) after; equal ones share the better rank."""
    ranks = [1 + int((values > values[at]).sum()) for values in (before, after)]
    return Change(before=float(before[at]), after=float(after[at]), rank_before=ranks[0], rank_after=ranks[1])


def summaries(result: WorldAttacks) -> list[AttackSummary]:
    """Each attack over its contributors, in the order of the results."""
    return [_summary(result, name) for name in dict.fromkeys(one.attack for one in result.attacks)]


def _summary(result: WorldAttacks, name: str) -> AttackSummary:
    tried, attack = result.of(name), attack_named(name)
    own = [one.scores[result.ours] for one in tried]
    gains = {method: _mean([one.scores[method].gain for one in tried]) for method in result.methods}
    truths = [one.truth for one in tried if one.truth is not None]
    beside = [one.beside for one in tried if one.beside is not None]
    truth_gain = _mean([one.gain for one in truths]) if truths else None
    played = {game: [one.coalitions[game].gain for one in tried if game in one.coalitions] for game in tried[0].coalitions}
    coalition_gains = {game: _mean(ranked) for game, ranked in played.items()}
    worth = 0.0 if attack.is_copy or truth_gain is None else truth_gain
    admitted = [one for one in tried if one.after_gate]
    return AttackSummary(
        attack=name,
        description=attack.description,
        gains=gains,
        score_before=_mean([one.before for one in own]),
        score_after=_mean([one.after for one in own]),
        truth_gain=truth_gain,
        truth_change=_mean([one.after - one.before for one in truths]) if truths else None,
        beside_change=_mean([after - before for before, after in beside]) if beside else None,
        coalition_gains=coalition_gains,
        after_gate=_mean([one.after_gate[result.ours].gain for one in admitted]) if admitted else None,
        after_near=_mean([one.after_near[result.ours].gain for one in tried]),
        caught_by=_caught(result, tried, coalition_gains, worth),
        would_catch=_would_catch(result, tried),
        works=gains[result.ours] - max(worth, 0.0) >= TELLING_RANKS,
    )


def _caught(result: WorldAttacks, tried: Sequence[AttackResult], coalitions: dict[str, float], worth: float) -> list[str]:
    """The gravest of the gate's checks that every contributor broke, a warning, and coalition values that do not follow
    ours."""
    broken = [(column, how) for column, how in tried[0].checks.items() if all(one.checks.get(column) == how for one in tried)]
    gravest = next((how for how in ("reject", "drop", "warn") if how in {how for _, how in broken}), None)
    caught = [f"gate: {column} ({how})" for column, how in broken if how == gravest]
    caught += [f"warning: near-target ({share:.2f} of the rows)" for name, share in _near(result, tried) if name == "target"]
    if _own_gain(result, tried) - worth < TELLING_RANKS:
        return caught
    own = GAMES.get(result.ours)
    return caught + [name for name, gain in coalitions.items() if name.endswith(f"/{own}") and gain - worth < TELLING_RANKS]


def _own_gain(result: WorldAttacks, tried: Sequence[AttackResult]) -> float:
    return _mean([one.scores[result.ours].gain for one in tried])


def _would_catch(result: WorldAttacks, tried: Sequence[AttackResult]) -> list[str]:
    """Near shares that no run looks at."""
    found = [(name, share, result.honest_near[name]) for name, share in _near(result, tried) if name != "target"]
    return [f"near {name} ({share:.2f}, honest up to {honest:.2f})" for name, share, honest in found]


def _near(result: WorldAttacks, tried: Sequence[AttackResult]) -> list[tuple[str, float]]:
    """Least shares of near rows, where above those of all unaltered contributors, and above what the gate allows for equal
    rows.
    """
    least = {name: min(one.near[name] for one in tried) for name in result.honest_near}
    return [(name, share) for name, share in least.items() if share > max(result.honest_near[name], TELLING_SHARE)]


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def write_attacks(result: WorldAttacks, folder: Location) -> Location:
    """Store the results in `folder` and return the file."""
    file = folder.child(FILE)
    file.write_bytes((result.model_dump_json(indent=1) + "\n").encode())
    return file


def read_attacks(folder: Location) -> WorldAttacks:
    """The results that `write_attacks` has stored. Raises ContractError for another file."""
    file = folder.child(FILE)
    try:
        return WorldAttacks.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise ContractError(f"{file.url}: expected results of attacks: {error}. Measure them again.") from error


def read_all_attacks(folder: Location) -> list[WorldAttacks]:
    """The results of all worlds below `folder`, by the names of their folders; none where nothing was attacked."""
    worlds = [folder.child(name) for name in sorted(folder.folders())]
    return [read_attacks(world) for world in worlds if world.child(FILE).exists()]
