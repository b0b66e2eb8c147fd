"""An arena: one world in which contributors are altered one at a time, and everything that may notice is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import pyarrow as pa

from benchmarks.evidence.attacks.coalitions import MarginalPair, coalition_values, eq8_game, ntk_regression_game
from benchmarks.evidence.attacks.gate import Gate, Gated
from benchmarks.evidence.attacks.inputs import PooledInputs, RowPool
from benchmarks.evidence.attacks.near_rows import NearRows, near_rows, row_prints
from benchmarks.evidence.attacks.results import AttackResult, Change, change
from mixval.evidence.baselines import eq8
from mixval.evidence.baselines.inputs import Inputs
from mixval.evidence.baselines.registry import method_named
from mixval.terms.arrays import Floats
from mixval.valuation.estimates import TermEstimates
from mixval.valuation.score import value
from mixval.valuation.shapley import Game
from mixval.valuation.weights import Weights, weigh

GameName = Literal["eq8", "ntk-regression"]
FEWEST_ROWS = 2
OF_ONE = ("ntk-regression", "loss", "mmd")
"""Methods whose score of a contributor depends on no other."""


@dataclass(frozen=True)
class Arena:
    """A world, its pool of rows with those of all attacks, and its gate."""

    tables: dict[str, pa.Table]
    """Contributor -> rows as they are before any attack."""
    pool: RowPool
    gate: Gate
    methods: Sequence[str]
    """That rank; the first of them is ours."""
    orders: int = 8
    """Of sampled Shapley values."""
    games: tuple[GameName, ...] = ("eq8", "ntk-regression")
    """Coalitions that are valued."""
    _coalitions: dict[GameName, MarginalPair] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def of(cls, inputs: Inputs, altered: Sequence[pa.Table], gate: Gate, methods: Sequence[str], orders: int) -> Arena:
        """The arena of `inputs`, ready for these altered tables."""
        tables = {one.name: one.table for one in inputs.contributors}
        games: tuple[GameName, ...] = ("eq8", "ntk-regression") if inputs.has_labels else ("eq8",)
        return cls(tables, RowPool.of(inputs, altered), gate, methods, orders, games)

    @property
    def names(self) -> list[str]:
        """(K,)."""
        return list(self.tables)

    @cached_property
    def world(self) -> PooledInputs:
        """Before any attack."""
        return self.pool.world(self.tables)

    @cached_property
    def gated(self) -> dict[str, Gated]:
        """The gate's outcomes of single contributors, before any attack."""
        return {name: self.gate.check(name, table) for name, table in self.tables.items()}

    @cached_property
    def scores(self) -> dict[str, Floats]:
        """(K,) by method, before any attack."""
        return {method: method_named(method).rank(self.world).values for method in self.methods}

    @cached_property
    def terms(self) -> TermEstimates:
        """Of Eq. 8, before any attack."""
        return eq8.term_estimates(self.world, 0)

    @cached_property
    def weights(self) -> Weights:
        """Of Eq. 8, before any attack: a coalition's value stays one number of its rows."""
        return weigh(self.terms, "equal-z")

    def outcome(
        self,
        attack: str,
        name: str,
        altered: pa.Table,
        truth: Change | None = None,
        beside: tuple[float, float] | None = None,
        has_coalitions: bool = True,
    ) -> AttackResult:
        """What contributor `name` gets with the altered rows, and who notices."""
        world = self._with(name, altered)
        gated = self.gate.among(self.gate.check(name, altered), self.gated)
        own = self.gate.among(self.gated[name], self.gated).checks
        near, before = self.near(world, name), self.near(self.world, name)
        left = altered.filter(pa.array(near.kept)) if near.kept.sum() >= FEWEST_ROWS else altered
        scores = self._changes(name, altered)

        def of_rest(rows: pa.Table) -> dict[str, Change]:
            return scores if rows.num_rows == altered.num_rows else self._changes(name, rows)

        return AttackResult(
            attack=attack,
            contributor=name,
            n_before=self.tables[name].num_rows,
            n_after=altered.num_rows,
            scores=scores,
            truth=truth,
            beside=beside,
            verdict=gated.outcome.verdict,
            checks={column: severity for column, severity in gated.checks.items() if own.get(column) != severity},
            after_gate=of_rest(gated.admitted) if gated.outcome.is_in else {},
            coalitions=self._coalition_changes(world, name) if has_coalitions else {},
            near=near.shares,
            near_before=before.shares,
            after_near=of_rest(left),
        )

    def near(self, world: PooledInputs, name: str) -> NearRows:
        """Which rows of a contributor are near others."""
        prints = {one.name: row_prints(one.table, world.task) for one in world.contributors}
        others = [own for other, own in prints.items() if other != name]
        return near_rows(prints[name], row_prints(world.target, world.task), np.concatenate(others))

    def _with(self, name: str, table: pa.Table) -> PooledInputs:
        return self.pool.world({**self.tables, name: table})

    def _changes(self, name: str, table: pa.Table) -> dict[str, Change]:
        at = self.names.index(name)
        return {method: change(self.scores[method], self._rescored(method, name, table), at) for method in self.methods}

    def _rescored(self, method: str, name: str, table: pa.Table) -> Floats:
        """(K,) after contributor `name` has another table; quantities independent of others are measured of it alone."""
        at, alone = self.names.index(name), self.pool.world({name: table})
        if method in OF_ONE:
            values = self.scores[method].copy()
            values[at] = method_named(method).rank(alone).values[0]
            return values
        if method == "eq8-equal-z":
            found = eq8.term_estimates(alone, 0)
            terms, errors = self.terms.terms.copy(), self.terms.standard_errors.copy()
            terms[at], errors[at] = found.terms[0], found.standard_errors[0]
            estimates = TermEstimates(self.terms.contributors, terms, errors, None)
            return value(estimates, weigh(estimates, "equal-z")).values
        return method_named(method).rank(self._with(name, table)).values

    def _coalition_changes(self, world: PooledInputs, name: str) -> dict[str, Change]:
        at, found = self.names.index(name), dict[str, Change]()
        for game in self.games:
            if game not in self._coalitions:
                self._coalitions[game] = self._coalition_values(self.world, game)
            before, after = self._coalitions[game], self._coalition_values(world, game)
            found[f"shapley/{game}"] = change(before.shapley, after.shapley, at)
            found[f"leave-one-out/{game}"] = change(before.leave_one_out, after.leave_one_out, at)
        return found

    def _coalition_values(self, world: PooledInputs, game: GameName) -> MarginalPair:
        played: Game = ntk_regression_game(world) if game == "ntk-regression" else eq8_game(world, self.weights)
        return coalition_values(played, len(self.names), self.orders)


def truth_change(truth: Mapping[str, float], name: str, after: float) -> Change:
    """A contributor's truth before and after, among all."""
    before = np.array(list(truth.values()))
    at = list(truth).index(name)
    altered = before.copy()
    altered[at] = after
    return change(before, altered, at)


def middling(truth: Mapping[str, float], able: Sequence[str], n: int) -> list[str]:
    """The `n` of the able contributors whose truth is nearest to the median rank of all, by name."""
    order = sorted(truth, key=lambda name: (-truth[name], name))
    middle = (len(order) - 1) / 2
    return sorted(sorted(able, key=lambda name: (abs(order.index(name) - middle), name))[:n])
