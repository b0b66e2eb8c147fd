"""Values of coalitions of contributors from their committed sufficient statistics.

Three quantities, each an artifact of its own: Shapley values; values of single contributors, of all but one and of all but two,
for leave-one-out and redundancy; and a greedy order of contributors.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from mixval.config.base import FrozenModel
from mixval.config.valuation import ValuationConfig
from mixval.contracts.coalitions import CoalitionAccount
from mixval.contracts.outcomes import GateOutcome
from mixval.contracts.record import ArtifactRef
from mixval.contracts.results import COALITIONS, REDUNDANCY
from mixval.errors import ConfigError
from mixval.stages.jobs import MeasureJob
from mixval.stages.reducing import Reduced
from mixval.stages.routes import route_of
from mixval.stages.routes.base import CoalitionGame, Coalitions
from mixval.stages.steps import Step, one_call
from mixval.terms.ntk.objective import damping_excess
from mixval.terms.ntk.sketched import sketched_form
from mixval.terms.ntk.statistics import GradientStatistics
from mixval.valuation.coalition_errors import pair_errors, step_spreads, value_intervals
from mixval.valuation.eq8_coalitions import redundancy
from mixval.valuation.regression_coalitions import RegressionGame
from mixval.valuation.shapley import greedy, leave_one_out, without_both
from mixval.valuation.shapley_budget import shapley

VERSION = 5
"""Raised whenever the numbers change."""
GREEDY_STEPS = 5
"""Contributors that the greedy search takes."""

OF_STEPS = {"greedy_low": "low", "greedy_high": "high", "greedy_gain_error": "gain_errors"}
"""Columns of greedy steps, and the tensors they are in."""

Quantity = Literal["shapley", "pairs", "greedy"]
QUANTITIES: tuple[Quantity, ...] = ("shapley", "pairs", "greedy")


class CoalitionJob(FrozenModel):
    """The contributors whose coalitions are valued, best-ranked first, by the ranking's method and weights."""

    jobs: list[MeasureJob]
    target: MeasureJob
    coefficients: list[float]
    """Weights of the terms."""
    centres: list[float]
    n_left_out: int
    """Ranked contributors that do not take part."""
    coalitions: int
    """Coalitions that sampled Shapley values may take."""


@dataclass(frozen=True)
class CoalitionResults:
    """Values of coalitions, as they are published."""

    coalitions: pa.Table
    """Schema `COALITIONS`, best-ranked first."""
    redundancy: pa.Table
    """Schema `REDUNDANCY`."""
    account: CoalitionAccount


def coalition_job(
    config: ValuationConfig, jobs: Mapping[str, MeasureJob], target: MeasureJob, reduced: Reduced
) -> CoalitionJob | None:
    """The coalitions that are to be valued: of the best-ranked of these contributors, by name. None where there are none."""
    ranked, coalitions = reduced.ranking["contributor"].to_pylist(), route_of(config.ntk.method).coalitions
    if coalitions is None or config.value.coalitions == 0 or len(ranked) < 2:
        return None
    return job_of_ranked(config, jobs, target, reduced, coalitions.most_players)


def job_of_ranked(
    config: ValuationConfig,
    jobs: Mapping[str, MeasureJob],
    target: MeasureJob,
    reduced: Reduced,
    most_players: int | None = None,
) -> CoalitionJob:
    """The coalitions of the best-ranked `most_players` of these contributors, by name; None: of all that are ranked."""
    rows = sorted(reduced.ranking.to_pylist(), key=lambda row: (-row["value"], row["contributor"]))
    ranked = [row["contributor"] for row in rows]  # not the table's order, which is by name where differences may be noise
    chosen = ranked[:most_players]
    return CoalitionJob(
        jobs=[jobs[name] for name in chosen],
        target=target,
        coefficients=reduced.weights.coefficients.tolist(),
        centres=reduced.weights.centres.tolist(),
        n_left_out=len(ranked) - len(chosen),
        coalitions=config.value.coalitions,
    )


def coalition_steps(work: CoalitionJob) -> list[Step]:
    """One step a quantity, in the order of `QUANTITIES`; they are independent."""
    store, route = work.target.store, route_of(work.target.ntk.method)

    def reads() -> list[Step]:
        own = [step for job in work.jobs for step in route.own_steps(job, work.target)]
        return [*route.shared_steps(work.target), *own]

    return [
        one_call(f"coalitions {one}", store, quantity_ref(work, one), commit_quantity, work, one, reads=reads)
        for one in QUANTITIES
    ]


def quantity_ref(work: CoalitionJob, quantity: Quantity) -> ArtifactRef:
    """Where the quantity is, or will be, committed."""
    return work.target.store.ref("coalitions", VERSION, **_inputs(work, quantity))


def commit_quantity(work: CoalitionJob, quantity: Quantity) -> ArtifactRef:
    """Commit one quantity, computed on one thread; the three are independent of each other."""
    ref = quantity_ref(work, quantity)
    if work.target.store.committed(ref) is not None:
        return ref
    started = time.perf_counter()
    tensors = _COMPUTED[quantity](game_of(work), work)
    seconds = time.perf_counter() - started
    work.target.store.commit(ref, inputs=_inputs(work, quantity), tensors=tensors, seconds=seconds)
    return ref


def game_of(work: CoalitionJob) -> CoalitionGame:
    """The game over these contributors, from their sufficient statistics. Raises ConfigError for a route without any."""
    return _coalitions(work).game(work.jobs, work.target, np.array(work.coefficients), np.array(work.centres))


def coalition_tables(work: CoalitionJob, outcomes: Mapping[str, GateOutcome]) -> CoalitionResults:
    """The tables from the committed quantities and the near copies of `outcomes`, and how they were computed."""
    store, names = work.target.store, [job.contributor.name for job in work.jobs]
    refs = {quantity: quantity_ref(work, quantity) for quantity in QUANTITIES}
    shapley, pairs, order = (store.read_tensors(refs[quantity]) for quantity in QUANTITIES)
    steps = {int(player): i for i, player in enumerate(order["order"])}
    rows = [
        {
            "contributor": name,
            "alone": float(pairs["alone"][k]),
            "leave_one_out": float(pairs["leave_one_out"][k]),
            "leave_one_out_error": _at(pairs, "leave_one_out_errors", k),
            "shapley": float(shapley["values"][k]),
            "shapley_error": float(shapley["errors"][k]) if "errors" in shapley else None,
            "greedy_step": steps[k] + 1 if k in steps else None,
            "greedy_value": float(order["values"][steps[k]]) if k in steps else None,
            **{column: _at(order, name, steps[k]) if k in steps else None for column, name in OF_STEPS.items()},
        }
        for k, name in enumerate(names)
    ]
    records = [store.committed(ref) for ref in refs.values()]
    account = CoalitionAccount(
        method="sampled" if "errors" in shapley else "exact",
        n_contributors=len(names),
        n_left_out=work.n_left_out,
        n_coalitions=sum(int(one["n_coalitions"]) for one in (shapley, pairs, order)),
        value_of_all=float(pairs["value_of_all"]),
        low_of_all=_at(pairs, "interval_of_all", 0),
        high_of_all=_at(pairs, "interval_of_all", 1),
        value_of_empty=float(pairs["value_of_empty"]),
        sketch_excess=float(pairs["sketch_excess"]) if np.isfinite(pairs["sketch_excess"]) else None,
        is_ntk_regression=work.target.is_ntk_regression,
        orders=[int(n) for n in shapley.get("orders", [])],
        largest_errors=[float(error) for error in shapley.get("largest_errors", [])],
        seconds=sum(record.seconds for record in records if record is not None),
    )
    redundancies = _redundancy_table(names, pairs, outcomes)
    return CoalitionResults(pa.Table.from_pylist(rows, schema=COALITIONS), redundancies, account)


def _coalitions(work: CoalitionJob) -> Coalitions:
    method = work.target.ntk.method
    if (found := route_of(method).coalitions) is None:
        raise ConfigError(
            f"values of coalitions need sums that add up over contributors, and `ntk.method: {method}` has none. Take "
            "`sketched`, or set `value.coalitions: 0`."
        )
    return found


def _inputs(work: CoalitionJob, quantity: Quantity) -> dict[str, object]:
    target = work.target
    shared: dict[str, object] = {
        "question": quantity,
        "counts": [[job.n_real, job.n_synthetic] for job in work.jobs],
        "replicates": [target.value.replicates, target.value.replicate_rows, target.value.confidence, target.seed],
        **_coalitions(work).inputs(work.jobs, target),
    }
    if target.is_ntk_regression:
        shared |= {"damping": target.regression_damping}
    else:
        shared |= {
            "weights": [work.coefficients, work.centres],
            "average": target.loss.average,
            "discrepancy": target.discrepancy,
            "damping": [target.ntk.damping, target.ntk.damping_mode],
        }
    return shared | ({"coalitions": work.coalitions} if quantity == "shapley" else {})


def _alone(game: CoalitionGame, n: int) -> list[float]:
    return [game.value(row) for row in np.eye(n, dtype=np.bool_)]


def _shapley(game: CoalitionGame, work: CoalitionJob) -> dict[str, np.ndarray]:
    found = shapley(game, len(work.jobs), work.coalitions, work.target.seed)
    tensors = {"values": found.values, "n_coalitions": np.array(found.n_coalitions)}
    if found.sampled is None:
        return tensors
    return tensors | {
        "errors": found.sampled.standard_errors,
        "orders": found.sampled.steps,
        "largest_errors": found.sampled.running_errors.max(axis=1),
    }


def _pairs(game: CoalitionGame, work: CoalitionJob) -> dict[str, np.ndarray]:
    n = len(work.jobs)
    errors = pair_errors(game, n)  # first: the game then has the values, too
    of_all = game.value(np.ones(n, dtype=np.bool_))
    if n == 1:
        differences, both = np.array([of_all - game.empty()]), np.zeros((1, 1))
    else:
        differences, both = leave_one_out(game, n), without_both(game, n)
    return errors | {
        "alone": np.array(_alone(game, n)),
        "leave_one_out": differences,
        "redundancy": redundancy(of_all, of_all - differences, both),
        "value_of_all": np.array(of_all),
        "interval_of_all": value_intervals(game, [np.ones(n, dtype=np.bool_)], work.target.value.confidence)[0],
        "sketch_excess": np.array(_sketch_excess(game, work)),
        "value_of_empty": np.array(game.empty()),
        "n_coalitions": np.array(1 + 2 * n + n * (n - 1) // 2),
    }


def _sketch_excess(game: CoalitionGame, work: CoalitionJob) -> float:
    """By how much the sketch raises the NTK term of all contributors, or the regression's lambda; relative, NaN if unknown."""
    if isinstance(game, RegressionGame):
        return damping_excess(game.sketch_fill())
    n, gram, cross, square = game.ntk.sums()
    statistics = GradientStatistics(n, gram, cross, square, np.zeros((len(cross), 0)))
    form = sketched_form(statistics, work.target.ntk.damping, work.target.ntk.damping_mode)
    return float("nan") if form.extrapolated is None else form.term / form.extrapolated - 1


def _greedy(game: CoalitionGame, work: CoalitionJob) -> dict[str, np.ndarray]:
    n = len(work.jobs)
    size = min(GREEDY_STEPS, n)
    found = greedy(game, n, size)
    tensors = {"order": found.order, "values": found.values, "n_coalitions": np.array(sum(n - step for step in range(size)))}
    return tensors | step_spreads(game, found.order, n, work.target.value.confidence)


_COMPUTED: dict[Quantity, Callable[[CoalitionGame, CoalitionJob], dict[str, np.ndarray]]] = {
    "shapley": _shapley,
    "pairs": _pairs,
    "greedy": _greedy,
}


def _redundancy_table(names: Sequence[str], found: Mapping[str, np.ndarray], outcomes: Mapping[str, GateOutcome]) -> pa.Table:
    rows = [
        {
            "contributor": names[a],
            "other": names[b],
            "redundancy": float(found["redundancy"][a, b]),
            "redundancy_error": _at(found, "redundancy_errors", (a, b)),
            "near_rows": outcomes[names[a]].near_copies.get(names[b], 0.0),
            "near_rows_of_other": outcomes[names[b]].near_copies.get(names[a], 0.0),
        }
        for a in range(len(names))
        for b in range(len(names))
        if names[a] < names[b]
    ]
    return pa.Table.from_pylist(sorted(rows, key=lambda row: (row["contributor"], row["other"])), schema=REDUNDANCY)


def _at(found: Mapping[str, np.ndarray], name: str, place: int | tuple[int, int]) -> float | None:
    """A standard error or an end of an interval; None where it is not known."""
    error = float(found[name][place]) if name in found else math.inf
    return error if math.isfinite(error) else None
