"""Tables and sentences of the report's section on coalition values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from markupsafe import Markup

from mixval.contracts.coalitions import CoalitionAccount
from mixval.publish.coalition_values import ERRORS, CoalitionValues, Floats, Pair
from mixval.publish.greedy_words import UNKNOWN, greedy_sentence
from mixval.publish.names import shortened
from mixval.publish.numerals import compact, count, counted, decimals_for, fixed, percent, seconds, signed
from mixval.publish.ranking import interval_words
from mixval.publish.report.answer import in_html, name_of, names_of
from mixval.publish.report.view import NAME_LIMIT

PAIRS_IN_WORDS = 3
PAIRS_IN_TABLE = 60
LEVEL = 0.95
"""Of the intervals, where the configuration has none."""


@dataclass(frozen=True)
class Scale:
    """How the section writes numbers."""

    adds: int
    """Decimals of marginal contributions."""
    value: int
    """Decimals of values of coalitions."""
    level: float
    """Of the intervals."""


def scale_of(found: CoalitionValues, level: float | None, value_decimals: int) -> Scale:
    """Decimals of contributions by the differences between them, of values as in the ranking."""
    adds = decimals_for([*found.shapley.tolist(), *found.leave_one_out.tolist()])
    return Scale(adds, value_decimals, level or LEVEL)


def half_widths(found: CoalitionValues, level: float) -> Floats | None:
    """(K,) of the normal intervals around sampled Shapley values. None where they are exact."""
    return None if found.shapley_errors is None else NormalDist().inv_cdf((1 + level) / 2) * found.shapley_errors


def contributor_lines(found: CoalitionValues, scale: Scale) -> list[dict[str, Any]]:
    """One line per contributor, in the order of the ranking."""
    halves, ranks = half_widths(found, scale.level), found.shapley_ranks
    steps = {place: step for step, place in enumerate(found.greedy, 1)}
    return [
        {
            "name": shortened(name, NAME_LIMIT),
            "rank": "–" if ranks[i] is None else ranks[i],
            "shapley": fixed(float(found.shapley[i]), scale.adds),
            "half": "" if halves is None else f"± {fixed(float(halves[i]), scale.adds)}",
            "without": fixed(float(found.leave_one_out[i]), scale.adds) + _half(float(found.leave_one_out_errors[i]), scale),
            "alone": fixed(float(found.alone[i]), scale.value),
            "step": steps.get(i, "–"),
            "coalition": _coalition(found, steps[i] - 1, scale) if i in steps else "–",
        }
        for i, name in enumerate(found.names)
    ]


def _coalition(found: CoalitionValues, step: int, scale: Scale) -> str:
    """The value of the coalition after a greedy step, with its interval where that is known."""
    (low, high), worth = found.greedy_intervals[step], fixed(float(found.greedy_values[step]), scale.value)
    return worth if low is None else f"{worth} ({interval_words(low, high, scale.value)})"


def _half(error: float, scale: Scale) -> str:
    """` ± ` half the interval of a difference between coalitions; nothing where it is not known."""
    return f" ± {fixed(ERRORS * error, scale.adds)}" if math.isfinite(error) else ""


def pair_lines(found: CoalitionValues, scale: Scale) -> list[dict[str, str]]:
    """One line per pair: those with rows in common, most first, then the strongest of either kind, substitutes first."""
    near = np.maximum(found.near, found.near.T)
    common = {pair: float(near[pair.first, pair.second]) for pair in found.pairs()}
    strongest = sorted(common, key=lambda pair: (-common[pair], -abs(pair.redundancy)))[:PAIRS_IN_TABLE]
    return [
        {
            "first": shortened(found.names[pair.first], NAME_LIMIT),
            "second": shortened(found.names[pair.second], NAME_LIMIT),
            "redundancy": signed(pair.redundancy, scale.adds)
            + _half(float(found.redundancy_errors[pair.first, pair.second]), scale),
            "common": percent(common[pair]) if common[pair] else "–",
            "both": fixed(pair.missed_both, scale.adds),
            "first_alone": fixed(float(found.leave_one_out[pair.first]), scale.adds),
            "second_alone": fixed(float(found.leave_one_out[pair.second]), scale.adds),
        }
        for pair in sorted(strongest, key=lambda pair: (-common[pair], -pair.redundancy))
    ]


def harmful_words(found: CoalitionValues) -> Markup | None:
    """The contributors without which the coalition of all would have a higher value. None where there are none."""
    harmful = [place for place, loss in enumerate(found.leave_one_out) if loss < 0 and found.loss_is_clear(place)]
    if not harmful or len(found.names) < 2:
        return None
    worst_first = sorted(harmful, key=lambda place: float(found.leave_one_out[place]))
    names = names_of(found.names[place] for place in worst_first)
    any_one = " any one of" if len(worst_first) > 1 else ""
    return Markup("The value of all together would be higher without{} {}.").format(any_one, names)


def pair_words(found: CoalitionValues, scale: Scale) -> list[Markup]:
    """The strongest substitutes, then the strongest complements, of those above their uncertainty."""
    if not found.has_errors:
        return [Markup(UNKNOWN)]  # noqa: S704  (our own words)
    pairs = [pair for pair in found.pairs() if found.pair_is_clear(pair.first, pair.second)]
    alike = [pair for pair in pairs if pair.redundancy > 0][:PAIRS_IN_WORDS]
    apart = [pair for pair in pairs[-1:] if pair.redundancy < 0]
    sentences = [_pair_words(_ALIKE, found, pair, scale) for pair in alike]
    if not sentences:
        sentences.append(Markup("No two contributors are redundant by more than the uncertainty of it."))
    return sentences + [_pair_words(_APART, found, pair, scale) for pair in apart]


def greedy_words(found: CoalitionValues, account: CoalitionAccount, scale: Scale) -> list[Markup]:
    """What the greedy search found, and the value of all together."""
    worth = fixed(account.value_of_all, scale.value)
    if account.low_of_all is not None:
        worth += f" ({interval_words(account.low_of_all, account.high_of_all, scale.value)})"
    return [
        in_html(greedy_sentence(found, scale.value)),
        Markup("All {} together have value {}.").format(len(found.names), worth),
    ]


def method_words(account: CoalitionAccount, scale: Scale) -> str:
    """How the Shapley values were computed, and how the error of sampled ones fell."""
    coalitions = f"{count(account.n_coalitions)} coalitions of contributors were valued in {seconds(account.seconds)}"
    if account.method == "exact":
        return f"Shapley values are exact, from all coalitions; {coalitions}."
    words = f"Shapley values are sampled, with {100 * scale.level:g} % intervals; {coalitions}."
    if len(account.orders) > 1:
        start, end = account.largest_errors[0], account.largest_errors[-1]
        words += (
            f" The largest standard error was {compact(start)} after {count(account.orders[0])} orders and is "
            f"{compact(end)} after {count(account.orders[-1])}."
        )
    return words


def who_took_part(account: CoalitionAccount) -> str:
    """How many of the contributors with a value are in the coalition game."""
    if not account.n_left_out:
        return f"All {account.n_contributors} contributors with a value are included." if account.n_contributors > 1 else ""
    left = counted(account.n_left_out, "other contributor")
    return f"The {account.n_contributors} contributors with the highest values are included; {left} are not."


_ALIKE = "{} and {} are redundant: without both, all together would lose {} (± {}) more than the losses without each add up to."
_APART = "{} and {} are worth more together: without both, all together would lose {} (± {}) less than the losses without each."


def _pair_words(words: str, found: CoalitionValues, pair: Pair, scale: Scale) -> Markup:
    first, second = name_of(found.names[pair.first]), name_of(found.names[pair.second])
    half = ERRORS * float(found.redundancy_errors[pair.first, pair.second])
    numbers = fixed(abs(pair.redundancy), scale.adds), fixed(half, scale.adds)
    return Markup(words).format(first, second, *numbers)  # noqa: S704  (our own words; names are escaped by format)
