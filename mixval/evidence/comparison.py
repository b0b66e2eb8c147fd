"""Our ranking against its rivals over several worlds: means, paired differences, and where we lose.

A rival is compared on the worlds in which it has scores, and ours on the same ones. Contributors are resampled within each
world; a mean over worlds is resampled world by world and averaged. So intervals and tests speak of other contributors in
these worlds, and not of other worlds. Holm's correction is over the rivals, in each world and for the mean apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mixval.config.base import FrozenModel
from mixval.errors import ContractError
from mixval.evidence.baselines.method import Need
from mixval.evidence.bootstrap import N_RESAMPLES, Interval, holm, interval, resampled, two_sided_p
from mixval.evidence.comparison_statistics import of_world
from mixval.evidence.results import WorldResult
from mixval.terms.arrays import Floats

OURS = "ntk-regression"
VARIANTS = frozenset({"ntk-regression", "ntk-regression-accuracy", "ntk-regression-first-order"})
"""Of one method: shown, but no rivals of one another."""
STATISTIC = "spearman"
Values = dict[str, dict[str, float]]
"""Method -> world -> Spearman."""
Draws = dict[str, dict[str, Floats]]
"""Method -> world -> (B,) the same in every resample."""


class Difference(FrozenModel):
    """Ours less a rival's Spearman correlation, over the worlds that both have."""

    gain: Interval
    p: float
    """Two-sided, of no difference."""
    p_holm: float
    """The same for all rivals together."""


class MethodSummary(FrozenModel):
    """One method over all worlds in which it has scores."""

    method: str
    is_rival: bool
    by_world: dict[str, Interval]
    """World -> Spearman."""
    mean: Interval
    """Over those worlds."""
    against_ours: Difference | None
    """None for ours and its variants."""
    against_ours_by_world: dict[str, Difference]
    """Empty for the same."""
    seconds: float
    """Mean over worlds."""
    peak_bytes: int
    """Largest over worlds."""
    needs: list[Need]


class Comparison(FrozenModel):
    """All methods, the best mean first; means over fewer worlds than `worlds` are not comparable with the others."""

    ours: str
    worlds: list[str]
    ceilings: dict[str, float | None]
    """World -> highest Spearman to be expected, from how far truth's seeds agree."""
    agreements: dict[str, float | None]
    """World -> mean Spearman between two seeds of truth."""
    methods: list[MethodSummary]

    def named(self, method: str) -> MethodSummary:
        """The summary of a method that has one."""
        return next(one for one in self.methods if one.method == method)

    @property
    def rivals(self) -> list[MethodSummary]:
        """Rivals, the best mean first."""
        return [one for one in self.methods if one.is_rival]

    @property
    def losses(self) -> list[tuple[str, MethodSummary]]:
        """(world, rival) wherever the rival's Spearman is above ours, the largest gap first."""
        behind = [(world, one) for one in self.rivals for world in one.by_world if _gain(one, world) < 0]
        return sorted(behind, key=lambda pair: _gain(pair[1], pair[0]))


def compare(results: Sequence[WorldResult], ours: str = OURS, n_resamples: int = N_RESAMPLES, seed: int = 0) -> Comparison:
    """Everything the table and the page say. The same results and seed give the same numbers.

    Raises ContractError for no world, one world twice, or a world in which `ours` has no scores.
    """
    worlds = [one.world for one in results]
    if not worlds or len(set(worlds)) != len(worlds):
        raise ContractError(f"a comparison needs results, each world once, found {worlds or 'none'}. Name them once each.")
    values, draws = _measured(results, n_resamples, seed)
    for one in results:
        one.scores_of(ours)
    kin = VARIANTS if ours in VARIANTS else {ours}
    rivals = [method for method in values if method not in kin]
    by_world = {
        world: _differences([m for m in rivals if world in values[m]], ours, [world], values, draws) for world in worlds
    }
    overall = _differences(rivals, ours, None, values, draws)
    methods = [_summary(results, method, values[method], draws[method], overall.get(method), by_world) for method in values]
    methods.sort(key=lambda one: (-one.mean.value, one.method))
    return Comparison(
        ours=ours,
        worlds=worlds,
        ceilings={one.world: one.ceiling for one in results},
        agreements={one.world: one.agreement for one in results},
        methods=methods,
    )


def _measured(results: Sequence[WorldResult], n_resamples: int, seed: int) -> tuple[Values, Draws]:
    values: Values = {}
    draws: Draws = {}
    for result in results:
        picks, truth = result.picks(n_resamples, seed), result.mean_truth
        for method in (one.method for one in result.methods):
            scores = result.scores_of(method)
            values.setdefault(method, {})[result.world] = of_world(STATISTIC, scores, truth)
            draws.setdefault(method, {})[result.world] = resampled(STATISTIC, scores, truth, picks)
    return values, draws


def _mean(of: dict[str, float], draws: dict[str, Floats]) -> tuple[float, Floats]:
    return float(np.mean(list(of.values()))), np.mean(list(draws.values()), axis=0)


def _differences(
    rivals: Sequence[str], ours: str, worlds: Sequence[str] | None, values: Values, draws: Draws
) -> dict[str, Difference]:
    """Each rival against ours, over `worlds` or all that the rival has; Holm over these rivals."""
    gains: dict[str, Interval] = {}
    p_values: list[float] = []
    for rival in rivals:
        common = list(values[rival]) if worlds is None else worlds
        value, drawn = _mean(
            {world: values[ours][world] - values[rival][world] for world in common},
            {world: draws[ours][world] - draws[rival][world] for world in common},
        )
        gains[rival] = interval(value, drawn)
        p_values.append(two_sided_p(drawn))
    adjusted = holm(np.array(p_values, dtype=np.float64))
    return {
        rival: Difference(gain=gains[rival], p=p, p_holm=float(coalition_results))
        for rival, p, coalition_results in zip(rivals, p_values, adjusted, strict=True)
    }


def _summary(
    results: Sequence[WorldResult],
    method: str,
    values: dict[str, float],
    draws: dict[str, Floats],
    overall: Difference | None,
    by_world: dict[str, dict[str, Difference]],
) -> MethodSummary:
    own = [one for result in results for one in result.methods if one.method == method]
    return MethodSummary(
        method=method,
        is_rival=overall is not None,
        by_world={world: interval(value, draws[world]) for world, value in values.items()},
        mean=interval(*_mean(values, draws)),
        against_ours=overall,
        against_ours_by_world={world: found[method] for world, found in by_world.items() if method in found},
        seconds=float(np.mean([one.seconds for one in own])),
        peak_bytes=max(one.peak_bytes for one in own),
        needs=sorted({need for one in own for need in one.needs}),
    )


def _gain(rival: MethodSummary, world: str) -> float:
    return rival.against_ours_by_world[world].gain.value
