"""Values of unions of contributors from their committed summaries: Shapley, leave-one-out, redundancy, who goes together."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pyarrow as pa

from mixval.config.base import FrozenModel
from mixval.contracts.coalitions import CoalitionAccount
from mixval.contracts.record import ArtifactRef
from mixval.contracts.results import COALITIONS, PARTS, REDUNDANCY
from mixval.stages.jobs import MeasureJob
from mixval.stages.risk_unions import risk_game
from mixval.stages.summaries import Summary, read_summary, summary_ref
from mixval.stages.summary_terms import target_embedding as embedded_target
from mixval.stages.target_gradients import target_gradients_ref
from mixval.stages.terms import is_risk
from mixval.terms.loss.sums import COLUMNS, columns_of
from mixval.terms.ntk.judge import lifted_damping
from mixval.terms.ntk.sketched import sketched_form
from mixval.terms.ntk.statistics import GradientStatistics
from mixval.valuation.coalitions import NtkCoalitions
from mixval.valuation.risk_unions import RiskGame
from mixval.valuation.shapley import Game, greedy, leave_one_out
from mixval.valuation.shapley_budget import shapley
from mixval.valuation.unions import PartSums, UnionGame, part_sums, redundancy, target_embedding

VERSION = 3
"""Raised whenever the numbers change."""
MOST_CONTRIBUTORS = 50
"""The best-ranked contributors that take part. Their pairs are 1,225 unions: a minute at q = 2,048."""
TOGETHER = 5
"""Contributors that the greedy search takes."""

Question = Literal["shapley", "pairs", "greedy"]
QUESTIONS: tuple[Question, ...] = ("shapley", "pairs", "greedy")


class CoalitionJob(FrozenModel):
    """The contributors whose unions are valued, best-ranked first, by the ranking's method and weights."""

    jobs: list[MeasureJob]
    target: MeasureJob
    coefficients: list[float]
    """Weights of the four terms."""
    centres: list[float]
    n_left_out: int
    """Ranked contributors that do not take part."""
    coalitions: int
    """Unions that sampled Shapley values may take."""


@dataclass(frozen=True)
class Together:
    """Values of unions, as they are published."""

    coalitions: pa.Table
    """Schema `COALITIONS`, best-ranked first."""
    redundancy: pa.Table
    """Schema `REDUNDANCY`."""
    account: CoalitionAccount


def answer_ref(work: CoalitionJob, question: Question) -> ArtifactRef:
    """Where the answer is, or will be, committed."""
    return work.target.store.ref("coalitions", VERSION, **_inputs(work, question))


def answer(work: CoalitionJob, question: Question) -> ArtifactRef:
    """Commit the answer to one question, on one thread; the three are independent of each other."""
    ref = answer_ref(work, question)
    if work.target.store.committed(ref) is not None:
        return ref
    started = time.perf_counter()
    game = risk_game(work.jobs, work.target) if is_risk(work.target) else union_game(work)
    tensors = _ANSWERS[question](game, work)
    seconds = time.perf_counter() - started
    work.target.store.commit(ref, inputs=_inputs(work, question), tensors=tensors, seconds=seconds)
    return ref


def union_game(work: CoalitionJob) -> UnionGame:
    """The game of these contributors by Eq. 8; nobody is worth as much as the worst of them alone.

    Summaries are read one after the other: of each, a Gram matrix in float32 is kept.
    """
    held = _Held(work)
    for k, job in enumerate(work.jobs):
        held.add(k, job, read_summary(job, summary_ref(job, work.target)))
    of_target, switches = embedded_target(work.target), work.target.discrepancy
    at_zero, pooled = float(of_target.frame.weights.sum()), switches.parts == "pooled"
    mean = of_target.sums / of_target.n
    game = UnionGame(
        held.part("real"),
        held.part("synthetic"),
        target_embedding(mean, of_target.n, at_zero, switches.estimator, switches.scale, pooled),
        held.ntk(),
        np.array(work.coefficients),
        np.array(work.centres),
    )
    return replace(game, empty_value=min(_alone(game, len(work.jobs))))


class _Held:
    """What is kept of the summaries of K contributors."""

    def __init__(self, work: CoalitionJob) -> None:
        self._work = work
        k, width = len(work.jobs), embedded_target(work.target).sums.size
        self._measured = {part: np.zeros(k) for part in PARTS}
        self._losses = {part: np.zeros((k, len(COLUMNS))) for part in PARTS}
        self._embeddings = {part: np.zeros((k, width)) for part in PARTS}
        self._gram = np.empty((0, 0, 0), dtype=np.float32)
        self._cross, self._square = np.empty((0, 0)), np.zeros(k)

    def add(self, k: int, job: MeasureJob, summary: Summary) -> None:
        """Contributor k. Each measured row stands for as many as were admitted for it."""
        admitted = {"real": job.n_real, "synthetic": job.n_synthetic}
        for part, one in summary.items():
            self._measured[part][k] = one.n
            self._losses[part][k] = one.losses.groups.sum(axis=0)
            self._embeddings[part][k] = one.embedding.sums
            if self._gram.size == 0:
                n, q = len(self._square), one.gradients.q
                self._gram, self._cross = np.zeros((n, q, q), dtype=np.float32), np.zeros((n, q))
            weight = admitted[part] / one.n
            self._gram[k] += (weight * one.gradients.gram).astype(np.float32)
            self._cross[k] += weight * one.gradients.cross
            self._square[k] += weight * one.gradients.square

    def part(self, part: str) -> PartSums:
        """One part's sums."""
        above, below = columns_of(self._work.target.loss.average)
        admitted = [job.n_real if part == "real" else job.n_synthetic for job in self._work.jobs]
        losses = self._losses[part]
        counts = np.array(admitted, dtype=np.float64)
        return part_sums(counts, self._measured[part], losses[:, above], losses[:, below], self._embeddings[part])

    def ntk(self) -> NtkCoalitions:
        """Both parts together."""
        return NtkCoalitions(
            np.array([job.n_real + job.n_synthetic for job in self._work.jobs], dtype=np.int64),
            self._gram,
            self._cross,
            self._square,
            self._work.target.ntk.damping,
            self._work.target.ntk.damping_mode,
            sum(self._measured.values(), np.zeros(len(self._square))).astype(np.int64),
        )


def coalition_tables(work: CoalitionJob) -> Together:
    """The tables from the committed answers, and how they came about."""
    store, names = work.target.store, [job.contributor.name for job in work.jobs]
    refs = {question: answer_ref(work, question) for question in QUESTIONS}
    shapley, pairs, order = (store.read_tensors(refs[question]) for question in QUESTIONS)
    steps = {int(player): i for i, player in enumerate(order["order"])}
    rows = [
        {
            "contributor": name,
            "alone": float(pairs["alone"][k]),
            "leave_one_out": float(pairs["leave_one_out"][k]),
            "shapley": float(shapley["values"][k]),
            "shapley_error": float(shapley["errors"][k]) if "errors" in shapley else None,
            "greedy_step": steps[k] + 1 if k in steps else None,
            "greedy_value": float(order["values"][steps[k]]) if k in steps else None,
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
        value_of_nobody=float(pairs["value_of_nobody"]),
        sketch_excess=float(pairs["sketch_excess"]) if np.isfinite(pairs["sketch_excess"]) else None,
        is_risk=is_risk(work.target),
        orders=[int(n) for n in shapley.get("orders", [])],
        largest_errors=[float(error) for error in shapley.get("largest_errors", [])],
        seconds=sum(record.seconds for record in records if record is not None),
    )
    return Together(pa.Table.from_pylist(rows, schema=COALITIONS), _redundancy_table(names, pairs["redundancy"]), account)


def _inputs(work: CoalitionJob, question: Question) -> dict[str, object]:
    shared: dict[str, object] = {
        "question": question,
        "summaries": [summary_ref(job, work.target).fingerprint for job in work.jobs],
        "counts": [[job.n_real, job.n_synthetic] for job in work.jobs],
        "weights": [work.coefficients, work.centres],
        "average": work.target.loss.average,
        "discrepancy": work.target.discrepancy,
        "damping": [work.target.ntk.damping, work.target.ntk.damping_mode],
    }
    if is_risk(work.target):
        del shared["weights"], shared["average"], shared["discrepancy"]
        shared |= {"damping": work.target.risk_damping, "target": target_gradients_ref(work.target).fingerprint}
    return shared | ({"coalitions": work.coalitions} if question == "shapley" else {})


def _alone(game: Game, n: int) -> list[float]:
    return [game.value(row) for row in np.eye(n, dtype=np.bool_)]


def _shapley(game: Game, work: CoalitionJob) -> dict[str, np.ndarray]:
    found = shapley(game, len(work.jobs), work.coalitions, work.target.seed)
    answer = {"values": found.values, "n_coalitions": np.array(found.n_coalitions)}
    if found.sampled is None:
        return answer
    return answer | {
        "errors": found.sampled.standard_errors,
        "orders": found.sampled.steps,
        "largest_errors": found.sampled.running_errors.max(axis=1),
    }


def _pairs(game: Game, work: CoalitionJob) -> dict[str, np.ndarray]:
    n = len(work.jobs)
    everybody = game.value(np.ones(n, dtype=np.bool_))
    if n == 1:
        missed, both = np.array([everybody - game.empty()]), np.zeros((1, 1))
    else:
        missed, both = leave_one_out(game, n), _without_both(game, n)
    return {
        "alone": np.array(_alone(game, n)),
        "leave_one_out": missed,
        "redundancy": redundancy(everybody, everybody - missed, both),
        "value_of_all": np.array(everybody),
        "sketch_excess": np.array(_sketch_excess(game, work)),
        "value_of_nobody": np.array(game.empty()),
        "n_coalitions": np.array(1 + 2 * n + n * (n - 1) // 2),
    }


def _sketch_excess(game: Game, work: CoalitionJob) -> float:
    """How far the sketch lifts the NTK term of all together, or the risk's lambda; relative, NaN where it is too full."""
    if isinstance(game, RiskGame):
        return lifted_damping(game.filled())
    if not isinstance(game, UnionGame):
        raise TypeError(f"expected a game of Eq. 8 or of the risk, found {type(game).__name__}. Make it from summaries.")
    n, gram, cross, square = game.ntk.sums()
    statistics = GradientStatistics(n, gram, cross, square, np.zeros((len(cross), 0)))
    form = sketched_form(statistics, work.target.ntk.damping, work.target.ntk.damping_mode)
    return float("nan") if form.extrapolated is None else form.term / form.extrapolated - 1


def _without_both(game: Game, n: int) -> np.ndarray:
    values = np.zeros((n, n))
    for a in range(n):
        for b in range(a):
            members = np.ones(n, dtype=np.bool_)
            members[[a, b]] = False
            values[a, b] = values[b, a] = game.value(members) if members.any() else game.empty()
    return values


def _greedy(game: Game, work: CoalitionJob) -> dict[str, np.ndarray]:
    n = len(work.jobs)
    size = min(TOGETHER, n)
    found = greedy(game, n, size)
    return {"order": found.order, "values": found.values, "n_coalitions": np.array(sum(n - step for step in range(size)))}


_ANSWERS: dict[Question, Callable[[Game, CoalitionJob], dict[str, np.ndarray]]] = {
    "shapley": _shapley,
    "pairs": _pairs,
    "greedy": _greedy,
}


def _redundancy_table(names: Sequence[str], values: np.ndarray) -> pa.Table:
    pairs = [(a, b) for a in range(len(names)) for b in range(len(names)) if names[a] < names[b]]
    rows = [{"contributor": names[a], "other": names[b], "redundancy": float(values[a, b])} for a, b in pairs]
    return pa.Table.from_pylist(sorted(rows, key=lambda row: (row["contributor"], row["other"])), schema=REDUNDANCY)
