"""NTK-regression taken apart: lambda, the number of mixes, the sketch, parameters, metric, repeated rows.

Every variant is a ridge regression on kernel blocks Theta(S,S) and Theta(T,S) of each contributor, made once for all
that share them. Narrower sketches are foldings of the widest (random pairs of features with random signs), which are sketches
of the same kind; so the base's is a folding of one of `WIDEST`, and no other pass is taken for q.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from benchmarks.evidence.studies.ntk_kernels import (
    BATCH_ROWS,
    FEATURES,
    KINDS,
    Gradients,
    Kernel,
    Kernels,
    configured_floor,
    exact_kernels,
    folded,
    kernels_of,
    sketches,
)
from benchmarks.evidence.studies.results import Candidate
from benchmarks.evidence.worlds.world_folder import WorldFolder
from mixval.config.tasks import LABEL_DAMPING, TOKEN_DAMPING
from mixval.errors import MixvalError
from mixval.evidence.baselines import forward_pass, raw_inputs
from mixval.evidence.results import SkippedMethod
from mixval.terms.arrays import Floats, Masks
from mixval.terms.ntk.objective import TargetObjective
from mixval.terms.ntk.regression import KernelRegression, Mode, kernel_regression
from mixval.terms.ntk.target_metrics import one_hot
from mixval.terms.ntk.value import regression_value, run_values

METHOD = "ntk-regression"
WIDEST = 4096
MIXES = (2, 4)
PRICES = (0.3, 0.7)
FLOORS = (0.0, 0.1, 1.0)
DAMPINGS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)


@dataclass(frozen=True)
class Reading:
    """How a kernel becomes a score."""

    damping: float | None = None
    """None: the task's own."""
    mode: Mode = "centred"
    """Of classifiers."""
    metric: Literal["cross-entropy", "accuracy"] = "cross-entropy"
    """Of classifiers."""
    residual: Literal["one-minus-probability", "one"] = "one-minus-probability"
    """Of causal LMs, times `by_tokens`."""
    by_tokens: bool = True
    """Of causal LMs: whether a row's response is in proportion to its answer tokens."""
    per_norm: bool = True
    """Of classifiers: whether T's outputs are over their rows' `objective.lengths`."""
    distinct: bool = False
    """Whether a row that repeats another counts once."""
    price: float = 0.5
    """Of causal LMs, the displacement penalty over the mean slope, see `trained_gain.py`. 0: gains to first order."""


class RegressionWorld:
    """Inputs of scores of one world besides kernels: labels, or probabilities and token counts; which rows repeat others."""

    def __init__(self, world: WorldFolder) -> None:
        """Labels are read from the rows; a causal LM makes a forward pass."""
        self.world = world
        tables = world.tables
        self._firsts = [_firsts(table) for table in tables[:-1]]
        if world.backbone.is_causal:
            passes = [forward_pass.run(world.backbone, table, BATCH_ROWS) for table in tables]
            self._residuals = [1 - one.probabilities for one in passes[:-1]]
            self._counts = [one.counts / passes[-1].counts.mean() for one in passes[:-1]]
            self._tokens = passes[-1].counts
            return
        labels = [raw_inputs.class_labels(world.backbone, table) for table in tables]
        self._responses = [one_hot(own, raw_inputs.n_classes(world.backbone)) for own in labels[:-1]]
        self._labels = labels[-1]

    def scores(self, kernels: Kernels, reading: Reading) -> dict[str, float]:
        """Contributor -> minus the cross-entropy, accuracy, or gain."""
        made = [self._regression(at, kernel, reading) for at, kernel in enumerate(kernels)]
        objectives = [self._objective(kernel, reading) for kernel in kernels]
        damping, mode = reading.damping or self._damping, None if self.world.backbone.is_causal else reading.mode
        if reading.metric == "accuracy":
            pairs = zip(made, objectives, strict=True)
            values = np.array([one.diagnostics(each.predict(damping, mode or one.mode))["accuracy"] for each, one in pairs])
        else:
            found = [regression_value(each, one, damping, mode) for each, one in zip(made, objectives, strict=True)]
            moved = [one.change.displacement for one in found] if self.world.backbone.is_causal else None
            values = run_values([one.value for one in found], displacements=moved, price=reading.price).values
        return {each.name: float(value) for each, value in zip(self.world.contributors, values, strict=True)}

    def _regression(self, at: int, kernel: Kernel, reading: Reading) -> KernelRegression:
        kept = self._kept(at, reading)
        return kernel_regression(kernel.own[np.ix_(kept, kept)], kernel.target[:, kept], self._right(at, kept, reading))

    def _right(self, at: int, kept: Masks, reading: Reading) -> Floats:
        """(n, C) responses of the rows that are kept."""
        if not self.world.backbone.is_causal:
            return self._responses[at][kept]
        r = self._residuals[at][kept] if reading.residual == "one-minus-probability" else np.ones(int(kept.sum()))
        return np.asarray((r * self._counts[at][kept] if reading.by_tokens else r)[:, None])

    def _objective(self, kernel: Kernel, reading: Reading) -> TargetObjective:
        if self.world.backbone.is_causal:
            return TargetObjective(tokens=self._tokens)
        norms = np.sqrt(kernel.squares) if reading.per_norm else None
        return TargetObjective(labels=self._labels, n_classes=self._responses[0].shape[1], norms=norms)

    @property
    def _damping(self) -> float:
        return TOKEN_DAMPING if self.world.backbone.is_causal else LABEL_DAMPING

    def _kept(self, at: int, reading: Reading) -> Masks:
        return self._firsts[at] if reading.distinct else np.ones(len(self._firsts[at]), dtype=np.bool_)


def regression_variants(world: WorldFolder, in_one_pass: bool) -> tuple[dict[str, float], list[Candidate], list[SkippedMethod]]:
    """The base's scores, those of every variant, and which could not be had; `in_one_pass`: of the base's pass alone."""
    side = RegressionWorld(world)
    widest = sketches(world, Gradients(), WIDEST)
    base = kernels_of(folded(widest, FEATURES))
    candidates = [
        Candidate(name=name, group=group, settings=settings, scores=side.scores(base, reading))
        for group, name, settings, reading in readings(world.backbone.is_causal)
    ]
    for q in (512, 1024, WIDEST):
        found = side.scores(kernels_of(folded(widest, q)), Reading())
        settings: dict[str, Any] = {"ntk": {"sketch_features": q}}
        candidates.append(Candidate(name=f"ntk.sketch_features: {q}", group="sketch", settings=settings, scores=found))
    del widest
    skipped: list[SkippedMethod] = []
    for group, name, settings, make in _costly(world, base, in_one_pass):
        print(f"{world.name}: {name}", file=sys.stderr)
        try:
            found = side.scores(make(), Reading())
        except MixvalError as error:
            skipped.append(SkippedMethod(method=name, reason=str(error)))
            continue
        candidates.append(Candidate(name=name, group=group, settings=settings, scores=found))
    return side.scores(base, Reading()), candidates, skipped


def readings(is_causal: bool) -> list[tuple[str, str, dict[str, Any], Reading]]:
    """(group, name, settings, reading) of every variant of the base's kernel."""
    default = Reading()
    found: list[tuple[str, str, dict[str, Any], Reading]] = [
        ("damping", f"value.damping: {d}", {"value": {"damping": d}}, replace(default, damping=d)) for d in DAMPINGS
    ]
    changes: list[tuple[str, str, dict[str, Any]]] = [
        ("rows", "repeated rows counted once", {"distinct": True}),
    ]
    if is_causal:
        changes += [
            ("residual", "residual 1 instead of 1 - p", {"residual": "one"}),
            ("residual", "responses of equal scale, whatever the answer tokens", {"by_tokens": False}),
            ("way", "to first order, no displacement penalty", {"price": 0.0}),
            *(("way", f"displacement penalty of {price:g} of the mean slope", {"price": price}) for price in PRICES),
        ]
    else:
        changes += [
            ("metric", "accuracy instead of cross-entropy", {"metric": "accuracy"}),
            ("metric", "outputs not over gradient lengths", {"per_norm": False}),
            ("damping", "lambda not centred", {"mode": "relative"}),
        ]
    return found + [(group, name, change, replace(default, **change)) for group, name, change in changes]


def _costly(
    world: WorldFolder, base: Kernels, in_one_pass: bool
) -> Iterator[tuple[str, str, dict[str, Any], Callable[[], Kernels]]]:
    """Variants with passes of their own."""

    def fresh(wanted: Gradients) -> Callable[[], Kernels]:
        return lambda: kernels_of(sketches(world, wanted, FEATURES))

    if not world.backbone.is_causal:
        yield "parameters", "the last layer alone", {"parameters": "head"}, fresh(Gradients("head"))
    if in_one_pass:
        return
    more = (*KINDS, "norm", "bias")
    yield "parameters", f"ntk.parameters: [{', '.join(more)}]", {"ntk": {"parameters": list(more)}}, fresh(Gradients(more))
    for floor in (one for one in FLOORS if one != configured_floor(world)):
        settings = {"ntk": {"preconditioner": "target", "preconditioner_floor": floor} if floor else {"preconditioner": "none"}}
        name = f"ntk.preconditioner: target, floor {floor:g}" if floor else "ntk.preconditioner: none"
        yield "kernel", name, settings, fresh(Gradients(floor=floor))
    yield "sketch", "another seed of the sketch", {"sketch": 1}, fresh(Gradients(sketch=1))
    yield "sketch", "ntk.method: exact", {"ntk": {"method": "exact"}}, lambda: exact_kernels(world)
    if not world.backbone.is_causal:
        yield "mix", "another mix of the logits", {"mix": 1}, fresh(Gradients(mix=1))
        for count in MIXES:
            yield "mix", f"mean kernel of {count} mixes", {"mixes": count}, partial(_mean_of_mixes, world, base, count)


def _mean_of_mixes(world: WorldFolder, base: Kernels, count: int) -> Kernels:
    """The sum of the kernels of mixes 0 to count - 1, each under a sketch of its own. A scale changes no score."""
    total = base
    for seed in range(1, count):
        own = kernels_of(sketches(world, Gradients(mix=seed, sketch=seed), FEATURES))
        total = [a + b for a, b in zip(total, own, strict=True)]
    return total


def _firsts(table: pa.Table) -> Masks:
    """(N,) whether no earlier row has the same `id`."""
    _, first = np.unique(np.array(table["id"].to_pylist()), return_index=True)
    is_first = np.zeros(table.num_rows, dtype=np.bool_)
    is_first[first] = True
    return is_first
