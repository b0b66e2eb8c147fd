"""Scores from any subset of a world's rows, by NTK regression and by Eq. 8, from quantities computed once for all rows.

Letters: N rows of a contributor, n of a subset, K contributors, C classes. A subset seed fixes an order of each contributor's
rows; the subset of n rows is the first n of them, so that smaller subsets lie in larger ones.
"""

from __future__ import annotations

import dataclasses
from functools import cached_property

import numpy as np
import pyarrow as pa

from benchmarks.evidence.studies.ntk_kernels import BATCH_ROWS, FEATURES, PLANNED_ROWS, Gradients, sketches
from benchmarks.evidence.worlds.row_regression import regression_of_rows
from benchmarks.evidence.worlds.world_folder import WorldFolder
from mixval.config.tasks import LABEL_DAMPING, TOKEN_DAMPING
from mixval.contracts.terms import TERMS
from mixval.evidence.baselines import eq8, forward_pass, raw_inputs
from mixval.evidence.baselines.inputs import Contributor, Inputs, Sides
from mixval.evidence.baselines.row_gradients import Gram
from mixval.seeds import generator
from mixval.stages.gradients import KernelBatches
from mixval.terms.arrays import Floats
from mixval.terms.composition.term import composition_term
from mixval.terms.ntk.groups import layer_groups
from mixval.terms.ntk.kernel import exact_kernel, weight_bytes
from mixval.terms.ntk.kinds import select_parameters
from mixval.terms.ntk.objective import TargetObjective, lengths
from mixval.terms.ntk.target_metrics import one_hot
from mixval.terms.ntk.two_phase import AuxiliaryCrossEntropy, TwoPhaseRatio, two_phase_value
from mixval.terms.ntk.value import regression_value
from mixval.terms.ntk.wide_head import wide_head
from mixval.valuation.estimates import TermEstimates
from mixval.valuation.score import value
from mixval.valuation.weights import weigh

READ, GRADIENTS = "rows-read", "gradient-rows"
"""Rows that scores from n gradient rows are estimates for, as `value.rows`: all rows, by their features; or those n alone."""
GRAM_ROWS, GRAM_BYTES = 500, 2**28
"""Rows whose exact kernel Eq. 8 takes, the default of `ntk.sample.count`; bytes of gradients in memory for it."""


def subset_order(world: WorldFolder, at: int, seed: int) -> np.ndarray:  # (N,)
    """The order of contributor `at`'s rows under a subset seed."""
    one = world.contributors[at]
    return generator("stability", "rows", seed, one.name).permutation(one.n_rows)


def all_rows(world: WorldFolder) -> Floats:
    """(K,) N."""
    return np.array([one.n_rows for one in world.contributors], dtype=np.float64)


class RegressionSubsets:
    """NTK-regression on any rows of a contributor."""

    method = "ntk-regression"

    def __init__(self, world: WorldFolder) -> None:
        """Sketches all rows, and makes a forward pass over them; a causal LM's gains are to first order, each its own."""
        self.world = world
        self.method = "ntk-regression-first-order" if world.backbone.is_causal else type(self).method
        *self._features, target = sketches(world, Gradients(), FEATURES)
        self._target = target.astype(np.float64)
        passes = [forward_pass.run(world.backbone, table, BATCH_ROWS) for table in world.tables]
        if world.backbone.is_causal:
            self._objective, self.damping = TargetObjective(tokens=passes[-1].counts), TOKEN_DAMPING
            unit = self._objective.unit
            self._responses = [((1 - one.probabilities) * one.counts / unit)[:, None] for one in passes[:-1]]
            return
        n_classes = raw_inputs.n_classes(world.backbone)
        labels = [raw_inputs.class_labels(world.backbone, table) for table in world.tables]
        self._responses = [one_hot(own, n_classes) for own in labels[:-1]]
        self.damping = LABEL_DAMPING
        self._objective = TargetObjective(labels=labels[-1], n_classes=n_classes, norms=lengths(self._target))
        *self._frozen, self._frozen_target = (one.features for one in passes)
        self._head = wide_head(self._frozen_target)
        self._objective = self._head.objective(self._frozen_target, labels[-1], n_classes)

    def score(self, at: int, rows: np.ndarray) -> float:
        """Minus the cross-entropy on T, or the gain, from these rows of contributor `at`. The smaller matrix is solved."""
        regression = regression_of_rows(self._features[at][rows], self._target, self._responses[at][rows])
        return regression_value(regression, self._objective, self.damping).value

    def head(self, at: int, rows: np.ndarray) -> AuxiliaryCrossEntropy:
        """Minus the cross-entropy on T from frozen features of these rows; no deviations."""
        regression = self._head.regression(self._frozen[at][rows], self._frozen_target, self._responses[at][rows])
        value = regression_value(regression, self._objective, self.damping).value
        return AuxiliaryCrossEntropy(value, np.zeros(0), np.zeros(0))

    @cached_property
    def whole(self) -> Floats:
        """(K,) scores from all rows."""
        return np.array([self.score(at, np.arange(one.n_rows)) for at, one in enumerate(self.world.contributors)])

    @cached_property
    def heads(self) -> list[AuxiliaryCrossEntropy]:
        """Of all rows of each contributor."""
        return [self.head(at, np.arange(one.n_rows)) for at, one in enumerate(self.world.contributors)]

    def nested(self, n: int, seed: int) -> dict[str, Floats]:
        """(K,) scores from gradients of at most n rows a contributor, by form. Who has no more rows is not measured again."""
        measured, n_all = self.whole.copy(), all_rows(self.world)
        cut = np.flatnonzero(n_all > n)
        rows = {at: subset_order(self.world, at, seed)[:n] for at in cut.tolist()}
        for at, own in rows.items():
            measured[at] = self.score(at, own)
        if self.world.backbone.is_causal:
            return {GRADIENTS: measured}
        read = measured.copy()
        for at, own in rows.items():
            all_read = self.heads[at]
            head = TwoPhaseRatio(n, int(n_all[at]), self._objective.empty_value, self.head(at, own), all_read, all_read)
            read[at] = two_phase_value(measured[at], np.zeros(0), head).value
        return {READ: read, GRADIENTS: measured}


class Eq8Subsets:
    """Eq. 8 under `equal-z` on subsets: losses, features and gradients of the subset's rows alone."""

    method = "eq8-equal-z"

    def __init__(self, world: WorldFolder) -> None:
        """A forward pass over all rows."""
        self.world = world
        self._grams: dict[tuple[int, int], Gram] = {}
        *self._passes, self._target = (forward_pass.run(world.backbone, table, BATCH_ROWS) for table in world.tables)

    def estimates(self, n: int | None, seed: int) -> TermEstimates:
        """Terms from at most n rows a contributor, the NTK term from at most `GRAM_ROWS` of them; None: from all."""
        orders = [subset_order(self.world, at, seed)[:n] for at in range(len(self._passes))]
        chosen = [
            Contributor(one.name, one.table.take(pa.array(rows)))
            for one, rows in zip(self.world.contributors, orders, strict=True)
        ]
        inputs = Inputs(self.world.config.task, chosen, self.world.target, self.world.backbone)
        passes = [_cut(own, rows) for own, rows in zip(self._passes, orders, strict=True)]
        inputs.ledger.take("features", lambda: Sides(passes, self._target))
        grams = [_leading(self._gram(at, seed), len(rows)) for at, rows in enumerate(orders)]
        inputs.ledger.take(("gradients", "gram", 0), lambda: grams)
        return eq8.term_estimates(inputs, 0)

    def scores(self, n: int | None, seed: int, counts_all: bool = True) -> Floats:
        """(K,) values; `counts_all`: the composition term, which needs no measuring, is that of all rows."""
        found = self.estimates(n, seed)
        if counts_all:
            known = [composition_term(one.n_real, one.n_rows - one.n_real) for one in self.world.contributors]
            found.terms[:, TERMS.position("composition")] = known
        return value(found, weigh(found, "equal-z")).values

    def _gram(self, at: int, seed: int) -> Gram:
        """The exact kernel of the first rows in a subset seed's order, made once."""
        if (at, seed) not in self._grams:
            self._grams[at, seed] = self._made_gram(at, seed)
        return self._grams[at, seed]

    def _made_gram(self, at: int, seed: int) -> Gram:
        world, backbone = self.world, self.world.backbone
        rows = world.contributors[at].table.take(pa.array(subset_order(world, at, seed)[:GRAM_ROWS]))
        batches = KernelBatches(backbone, "logit", rows, BATCH_ROWS)
        names = select_parameters(backbone.module, world.config.ntk.parameters)
        first = backbone.encode(rows.slice(0, PLANNED_ROWS))
        sizes = weight_bytes(backbone.module, names, lambda b: backbone.output(backbone.forward(b), b, "logit"), first)
        groups = layer_groups(sizes, rows.num_rows, GRAM_BYTES)
        kernel = exact_kernel(backbone.module, groups, batches.scalar, batches.from_row, rows.num_rows, GRAM_BYTES)
        return Gram(kernel.theta.cpu().numpy(), kernel.outputs.cpu().numpy())


def _cut(own: forward_pass.Pass, rows: np.ndarray) -> forward_pass.Pass:
    return forward_pass.Pass(own.losses[rows], own.counts[rows], own.probabilities[rows], own.features[rows])


def _leading(gram: Gram, n: int) -> Gram:
    return Gram(gram.theta[:n, :n], gram.outputs[:n])


def first_rows(world: WorldFolder, n: int, seed: int) -> WorldFolder:
    """The world with the first n rows of a subset seed's order of each contributor."""
    cut = [
        Contributor(one.name, one.table.take(pa.array(subset_order(world, at, seed)[:n])))
        for at, one in enumerate(world.contributors)
    ]
    return dataclasses.replace(world, contributors=cut)
