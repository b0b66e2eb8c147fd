"""The report's section of coalition values in words: lines of its tables and its sentences."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from markupsafe import Markup

from mixval.contracts.coalitions import CoalitionAccount
from mixval.publish.coalition_values import CoalitionValues, Floats, Pair
from mixval.publish.names import shortened
from mixval.publish.numerals import compact, count, counted, decimals_for, fixed, percent, seconds, signed
from mixval.publish.report.answer import name_of, names_of
from mixval.publish.report.view import NAME_LIMIT

PAIRS_IN_WORDS = 3
PAIRS_IN_TABLE = 60
MOST_OF_IT = 0.95
"""Share of the best coalition's worth at which the rest of the greedy order adds little."""
LEVEL = 0.95
"""Of the intervals, where the configuration names none."""
NUMBERS = ("no", "one", "two", "three", "four", "five")


@dataclass(frozen=True)
class Scale:
    """How the section writes numbers."""

    adds: int
    """Decimals of what contributors add."""
    value: int
    """Decimals of values of coalitions."""
    level: float
    """Of the intervals."""


def scale_of(found: CoalitionValues, level: float | None) -> Scale:
    """Decimals that show the differences of the section's own numbers."""
    adds = decimals_for([*found.shapley.tolist(), *found.leave_one_out.tolist()])
    return Scale(adds, decimals_for([*found.alone.tolist(), *found.greedy_values.tolist()]), level or LEVEL)


def half_widths(found: CoalitionValues, level: float) -> Floats | None:
    """(K,) of the normal intervals around sampled Shapley values. None where they are exact."""
    return None if found.shapley_errors is None else NormalDist().inv_cdf((1 + level) / 2) * found.shapley_errors


def contributor_lines(found: CoalitionValues, scale: Scale) -> list[dict[str, Any]]:
    """One line a contributor, in the order of the ranking."""
    halves, ranks = half_widths(found, scale.level), found.shapley_ranks
    steps = {place: step for step, place in enumerate(found.greedy, 1)}
    return [
        {
            "name": shortened(name, NAME_LIMIT),
            "rank": ranks[i],
            "shapley": fixed(float(found.shapley[i]), scale.adds),
            "half": "" if halves is None else f"± {fixed(float(halves[i]), scale.adds)}",
            "without": fixed(float(found.leave_one_out[i]), scale.adds),
            "alone": fixed(float(found.alone[i]), scale.value),
            "step": steps.get(i, "–"),
            "coalition": fixed(float(found.greedy_values[steps[i] - 1]), scale.value) if i in steps else "–",
        }
        for i, name in enumerate(found.names)
    ]


def pair_lines(found: CoalitionValues, scale: Scale) -> list[dict[str, str]]:
    """One line a pair, of the strongest of either kind, substitutes first."""
    strongest = sorted(found.pairs(), key=lambda pair: -abs(pair.redundancy))[:PAIRS_IN_TABLE]
    return [
        {
            "first": shortened(found.names[pair.first], NAME_LIMIT),
            "second": shortened(found.names[pair.second], NAME_LIMIT),
            "redundancy": signed(pair.redundancy, scale.adds),
            "both": fixed(pair.missed_both, scale.adds),
            "first_alone": fixed(float(found.leave_one_out[pair.first]), scale.adds),
            "second_alone": fixed(float(found.leave_one_out[pair.second]), scale.adds),
        }
        for pair in sorted(strongest, key=lambda pair: -pair.redundancy)
    ]


def harmful_words(found: CoalitionValues) -> Markup | None:
    """Without whom the coalition of all would be worth more. None where nobody is such."""
    harmful = np.flatnonzero(found.leave_one_out < -found.negligible)
    if not len(harmful) or len(found.names) < 2:
        return None
    worst_first = sorted(harmful.tolist(), key=lambda place: float(found.leave_one_out[place]))
    names = names_of(found.names[place] for place in worst_first)
    any_one = " any one of" if len(worst_first) > 1 else ""
    return Markup("All together would be worth more without{} {}.").format(any_one, names)


def pair_words(found: CoalitionValues, scale: Scale) -> list[Markup]:
    """The strongest substitutes, then the two that strengthen each other most, where they are worth a word."""
    pairs = found.pairs()
    alike = [pair for pair in pairs if min(pair.redundancy, pair.missed_both) > found.negligible][:PAIRS_IN_WORDS]
    apart = [pair for pair in pairs[-1:] if pair.redundancy < -found.negligible]
    said = [_pair_words("{} and {} can stand in for each other", found, pair, scale) for pair in alike]
    if not said:
        said.append(Markup("No two contributors stand in for each other to a degree that is worth a word."))
    return said + [_pair_words("{} and {} are worth more beside each other", found, pair, scale) for pair in apart]


def greedy_words(found: CoalitionValues, account: CoalitionAccount, scale: Scale) -> list[Markup]:
    """The first ones that the greedy search takes, how much they bring, and where adding stops to help."""
    k, first = len(found.names), min(5, len(found.greedy))
    names = names_of((found.names[place] for place in found.greedy[:first]), limit=5)
    worth = fixed(float(found.greedy_values[first - 1]), scale.value)
    said = Markup("One by one, always the one that helps most, the search takes {}: worth {} together").format(names, worth)
    against = f", against {fixed(account.value_of_all, scale.value)} of all {k}." if first < k else "."
    return [said + against, *_enough(found, account), *_where_it_stops(found, scale)]


def _enough(found: CoalitionValues, account: CoalitionAccount) -> list[Markup]:
    """After how many steps nearly all is reached that the search reaches."""
    gains, best = found.greedy_values - account.value_of_empty, int(found.greedy_values.argmax())
    enough = 1 + int((gains >= MOST_OF_IT * gains[best]).argmax())
    if gains[best] <= 0 or enough > best:
        return []
    who = "The first alone brings" if enough == 1 else f"The first {enough} bring"
    share = percent(float(gains[enough - 1] / gains[best]))
    over = "no training" if account.is_ntk_regression else "the worst contributor alone"
    return [Markup("{} {} of what the first {} bring over {}.").format(who, share, best + 1, over)]


def _where_it_stops(found: CoalitionValues, scale: Scale) -> list[Markup]:
    k, steps, best = len(found.names), len(found.greedy), int(found.greedy_values.argmax())
    if best + 1 < steps:
        name, worth = name_of(found.names[found.greedy[best]]), fixed(float(found.greedy_values[best]), scale.value)
        words = Markup("Adding stops to help after step {} ({}), at {}: no later coalition of the search is worth more.")
        return [words.format(best + 1, name, worth)]
    if steps > 1 and (np.diff(found.greedy_values) > 0).all():
        end = "." if steps == k else "; the search ends there."
        return [Markup("Every one of the {} steps adds{}").format(steps, end)]
    return []


def greedy_title(found: CoalitionValues) -> str:
    """`Which five together`, or fewer where fewer took part."""
    return f"Which {NUMBERS[min(5, len(found.greedy))]} together" if len(found.names) > 5 else "In which order together"


def method_words(account: CoalitionAccount, scale: Scale) -> str:
    """How the Shapley values came about, and how the error of sampled ones fell."""
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
    """How many of the ranked contributors the section is about."""
    if not account.n_left_out:
        return f"All {account.n_contributors} ranked contributors took part." if account.n_contributors > 1 else ""
    left = counted(account.n_left_out, "ranked contributor")
    return f"The {account.n_contributors} best-ranked contributors took part; {left} did not."


def _pair_words(opening: str, found: CoalitionValues, pair: Pair, scale: Scale) -> Markup:
    first, second = name_of(found.names[pair.first]), name_of(found.names[pair.second])
    lost = [pair.missed_both, *(float(found.leave_one_out[place]) for place in (pair.first, pair.second))]
    without = (Markup("both"), Markup("only {}").format(first), Markup("only {}").format(second))
    parts, said = [], ""
    for loss, whom in zip(lost, without, strict=True):
        verb = "gain" if loss < 0 else "lose"
        parts.append(Markup("{}{} without {}").format("" if verb == said else f"{verb} ", fixed(abs(loss), scale.adds), whom))
        said = verb
    start = Markup(opening).format(first, second)  # noqa: S704  (our own words; names are escaped by format)
    return start + Markup(": all together would {}, {} and {}.").format(*parts)
