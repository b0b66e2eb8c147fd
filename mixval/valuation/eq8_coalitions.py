"""The value of any coalition of contributors (Eq. 8, arXiv 2511.13640) from their sufficient statistics: a game over
contributors.

Letters: K contributors; parts p = real, synthetic; N_kp admitted rows and n_kp measured ones; F frequencies; w and c the
weights and centres of the T terms.

    v(U) = - sum over terms j of w_j (t_j(U) - c_j),       pi = real share of the coalition's admitted rows

Each measured row has the weight g_kp = N_kp / n_kp, so that a contributor of whom few rows were drawn counts by its admitted
rows: sums are weighted by g, those of squares by g^2.

    loss           pi L1 + (1 - pi) L2,   L_p = sum g loss / sum g count
    discrepancy    pi D(T, U1) + (1 - pi) D(T, U2),  from the sum of embeddings s = sum g phi(x):
                   unbiased |s|^2 -> (|s|^2 - k(0) sum g^2) / ((sum g)^2 - sum g^2)
    NTK            of both parts together, sketch's bias included; g scaled so as to add up to the rows measured in the
    coalition,
                   since a row that is repeated fits itself: one contributor alone has the term that its own rows have
    composition    sqrt(max(pi, 1 - pi) / N)
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from mixval.contracts.terms import TERMS
from mixval.errors import ShapeError
from mixval.terms.composition.term import composition_term
from mixval.terms.discrepancy.mmd import Estimator, Scale, scaled
from mixval.valuation.estimates import Floats
from mixval.valuation.ntk_coalitions import NtkCoalitions
from mixval.valuation.shapley import Members, Order


@dataclass(frozen=True)
class PartSums:
    """Weighted sums of one part, by contributor; a contributor without such rows has zeros."""

    admitted: Floats
    """(K,) N, which is also sum g."""
    squared_weights: Floats
    """(K,) sum g^2 over measured rows."""
    losses: Floats
    """(K,) sum of g times what the loss averages over: a row's mean loss, or its summed loss."""
    counts: Floats
    """(K,) sum of g times 1, or tokens."""
    embeddings: Floats
    """(K, 2F) sum of g phi."""


@dataclass(frozen=True)
class TargetEmbedding:
    """T's side of the discrepancy."""

    mean: Floats
    """(2F,) mean of phi over T."""
    within: float
    """T's own term of MMD^2 under the estimator."""
    at_zero: float
    """k(x, x)."""
    estimator: Estimator
    scale: Scale
    is_pooled: bool
    """D(T, U) of both parts together instead of part by part."""


@dataclass(frozen=True)
class Eq8Game:
    """A game (`mixval.valuation.shapley.Game`) whose players are contributors."""

    real: PartSums
    synthetic: PartSums
    target: TargetEmbedding
    ntk: NtkCoalitions
    coefficients: Floats
    """(T,) w."""
    centres: Floats
    """(T,) c."""
    empty_value: float = 0.0
    """v of the empty coalition, which Eq. 8 leaves open."""
    more: Mapping[str, Callable[[Members], float]] = field(default_factory=dict)
    """Terms beyond those above, by name: their values for the contributors that are marked."""

    def empty(self) -> float:
        """v of the empty coalition."""
        return self.empty_value

    def value(self, members: Members) -> float:
        """v of the contributors that `members` (K,) marks, at least one."""
        return self._value(self.ntk.coalition(members).term, members)

    def prefixes(self, order: Order) -> Iterator[float]:
        """v of the growing prefixes of an order."""
        members = np.zeros(len(self.real.admitted), dtype=np.bool_)
        for player, coalition in zip(order, self.ntk.prefixes(order), strict=True):
            members[player] = True
            yield self._value(coalition.term, members)

    def _value(self, ntk: float, members: Members) -> float:
        return -float(self.coefficients @ (self._terms(ntk, members) - self.centres))

    def _terms(self, ntk: float, members: Members) -> Floats:
        n_real, n_synthetic = (float(part.admitted[members].sum()) for part in (self.real, self.synthetic))
        share = n_real / (n_real + n_synthetic)
        parts = [(share, self.real), (1 - share, self.synthetic)]
        loss = sum(pi * float(part.losses[members].sum() / part.counts[members].sum()) for pi, part in parts if pi > 0)
        found = {
            "loss": loss,
            "discrepancy": self._discrepancy(parts, members),
            "ntk": ntk,
            "composition": composition_term(round(n_real), round(n_synthetic)),
        }
        more = {term: of(members) for term, of in self.more.items()}
        return np.array(TERMS.ordered(found | more, where="values of coalitions"))

    def _discrepancy(self, parts: list[tuple[float, PartSums]], members: Members) -> float:
        used = [(pi, part) for pi, part in parts if pi > 0]
        sums = [part.embeddings[members].sum(axis=0) for _, part in used]
        weights = [(float(p.admitted[members].sum()), float(p.squared_weights[members].sum())) for _, p in used]
        if self.target.is_pooled:
            rows, squares = (sum(column) for column in zip(*weights, strict=True))
            return self._distance(np.sum(sums, axis=0), rows, squares)
        return sum(pi * self._distance(s, *w) for (pi, _), s, w in zip(used, sums, weights, strict=True))

    def _distance(self, total: Floats, rows: float, squares: float) -> float:
        """MMD, or its square, of T and rows with summed embedding `total` (2F,)."""
        of_target, own = self.target, float(total @ total)
        # A single measured row has no pair: its mean over pairs is the biased one.
        if of_target.estimator == "unbiased" and (pairs := rows**2 - squares) > 1e-9 * rows**2:
            own = (own - of_target.at_zero * squares) / pairs
        else:
            own /= rows**2
        squared = of_target.within + own - 2 * float(of_target.mean @ total) / rows
        return float(scaled(np.asarray(squared), of_target.scale))


def part_sums(
    admitted: Floats,  # (K,) N
    measured: Floats,  # (K,) n
    losses: Floats,  # (K,) over measured rows
    counts: Floats,  # (K,)
    embeddings: Floats,  # (K, 2F)
) -> PartSums:
    """Sums over measured rows, weighted by g. Raises ShapeError where a part has admitted rows but no measured one."""
    if missing := np.flatnonzero((admitted > 0) & (measured == 0)).tolist():
        raise ShapeError(
            f"contributors {missing}: a part has admitted rows but none was measured, so it cannot be weighed in a coalition. "
            "Raise `sample.fraction`, or set no `sample`."
        )
    weight = np.divide(admitted, measured, out=np.zeros_like(admitted), where=measured > 0)
    return PartSums(admitted, weight**2 * measured, weight * losses, weight * counts, weight[:, None] * embeddings)


def target_embedding(
    mean: Floats,  # (2F,)
    m: int,
    at_zero: float,
    estimator: Estimator,
    scale: Scale,
    is_pooled: bool,
) -> TargetEmbedding:
    """T's side from the mean embedding of its m rows."""
    squared = float(mean @ mean)
    within = (squared * m**2 - at_zero * m) / (m * (m - 1)) if estimator == "unbiased" and m > 1 else squared
    return TargetEmbedding(mean, within, at_zero, estimator, scale, is_pooled)


def redundancy(everybody: float, without: Floats, without_both: Floats) -> Floats:
    """(K, K) symmetric: the loss of v without both of a pair less the losses without each, [v - v_ab] - [v - v_a] - [v - v_b].

    From v of all, (K,) v without each and (K, K) v without both. Above 0: the two are redundant. 0 on the diagonal.
    """
    alone = everybody - without
    pair = (everybody - without_both) - alone[:, None] - alone[None, :]
    return np.asarray(np.where(np.eye(len(without), dtype=bool), 0.0, pair))
