"""Coalition values of made-up contributors from a real game: topics covered with diminishing returns, less a cost a head.

The first two names hold the same rows, so each can stand in for the other; the last two hold halves of one subject.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from published_run import Results, make_results

from mixval.contracts.coalitions import CoalitionAccount
from mixval.contracts.results import COALITIONS, REDUNDANCY
from mixval.publish.stored_run import StoredRun
from mixval.storage.root import open_location
from mixval.valuation.shapley import MOST_EXACT, exact_shapley, greedy, leave_one_out, sampled_shapley
from tests.valuation.set_game import SetGame

ORDERS = 128
NEAR = ("near_rows", "near_rows_of_other")


@dataclass(frozen=True)
class CoalitionResults:
    """What a run with coalition values leaves besides its ranking."""

    coalitions: pa.Table
    redundancy: pa.Table
    account: CoalitionAccount


def make_game(k: int, seed: int = 5) -> SetGame:
    """v(S) = sum over topics of w (1 - exp(-coverage)) + what the last two bring only together - 0.02 |S|."""
    rng = np.random.default_rng(seed)
    n_topics = 6 + k // 3
    groups = rng.integers(0, n_topics, k)
    coverage = 0.1 * rng.random((k, n_topics)) / (1 + k / 12)
    coverage[np.arange(k), groups] += rng.uniform(0.3, 2.0, k)
    if k > 2:
        coverage[1] = coverage[0] = np.where(np.arange(n_topics) == 4, 6.0, 0.1)
        coverage[2:, 4] = 0.0
    weights = rng.uniform(0.2, 0.5, n_topics)

    def value(members: np.ndarray) -> float:
        covered = weights @ (1 - np.exp(-coverage[members].sum(axis=0)))
        return float(covered + 0.2 * (k > 3 and members[-2:].all()) - 0.02 * members.sum())

    single = [value(row) for row in np.eye(k, dtype=bool)]
    return SetGame(value, min(single), k)


def make_coalitions(
    names: tuple[str, ...], seed: int = 5, steps: int | None = None, error: float | None = 1e-4
) -> CoalitionResults:
    """Tables and account; Shapley values are exact up to `MOST_EXACT` contributors, all other differences have one error."""
    k, game = len(names), make_game(len(names), seed)
    everybody = np.ones(k, dtype=bool)
    without = leave_one_out(game, k)
    found = greedy(game, k, steps or k)
    step = {int(place): index for index, place in enumerate(found.order)}
    sampled = None if k <= MOST_EXACT else sampled_shapley(game, k, ORDERS, seed)
    shapley = exact_shapley(game, k) if sampled is None else sampled.values
    rows = [
        {
            "contributor": name,
            "alone": game.value(np.arange(k) == i),
            "leave_one_out": without[i],
            "leave_one_out_error": error,
            "shapley": shapley[i],
            "shapley_error": None if sampled is None else sampled.standard_errors[i],
            "greedy_step": step[i] + 1 if i in step else None,
            "greedy_value": found.values[step[i]] if i in step else None,
            "greedy_gain_error": error if i in step else None,
        }
        for i, name in enumerate(names)
    ]
    pairs = []
    for i, name in enumerate(names):
        for j, other in enumerate(names):
            if name < other:
                both = everybody & ~np.isin(np.arange(k), [i, j])
                missed = game.value(everybody) - (game.value(both) if both.any() else game.empty())
                near = {"near_rows": 0.9, "near_rows_of_other": 0.8} if {i, j} == {0, 1} else dict.fromkeys(NEAR, 0.0)
                shared = missed - without[i] - without[j]
                pairs.append({"contributor": name, "other": other, "redundancy": shared, "redundancy_error": error, **near})
    account = CoalitionAccount(
        method="exact" if sampled is None else "sampled",
        n_contributors=k,
        n_coalitions=2**k if sampled is None else ORDERS * k,
        value_of_all=game.value(everybody),
        value_of_empty=game.empty(),
        orders=[] if sampled is None else sampled.steps.tolist(),
        largest_errors=[] if sampled is None else sampled.running_errors.max(axis=1).tolist(),
        seconds=12.4,
    )
    schemas = ((rows, COALITIONS), (pairs, REDUNDANCY))
    return CoalitionResults(*(pa.Table.from_pylist(found, schema=schema) for found, schema in schemas), account)


def with_coalitions(results: Results, found: CoalitionResults) -> Results:
    """The results with the two tables, and with the account in their manifest."""
    manifest = results.manifest.model_copy(update={"coalitions": found.account})
    return replace(results, manifest=manifest, coalitions=found.coalitions, redundancy=found.redundancy)


def stored_run(results: Results, found: CoalitionResults) -> StoredRun:
    """The same as a run that was published; its folder is empty."""
    return StoredRun(
        folder=open_location("memory://made-up"),
        manifest=with_coalitions(results, found).manifest,
        ranking=results.ranking,
        terms=results.terms,
        rejected=results.rejected,
        coalitions=found.coalitions,
        redundancy=found.redundancy,
    )


def make_both(names: tuple[str, ...], n_left_out: int = 0) -> tuple[Results, CoalitionResults]:
    """A run's results with coalition values of all but the last ranked ones."""
    results = make_results(names)
    ranked = results.ranking["contributor"].to_pylist()
    part = [name for name in names if name in ranked[: len(ranked) - n_left_out]]
    found = make_coalitions(tuple(part))
    account = found.account.model_copy(update={"n_left_out": n_left_out})
    found = CoalitionResults(found.coalitions, found.redundancy, account)
    return with_coalitions(results, found), found
