"""Tables and sentences of the report's section on coalition values."""

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
"""Share of the best coalition's gain from which the rest of the greedy order adds little."""
LEVEL = 0.95
"""Of the intervals, where the configuration has none."""
NUMBERS = ("no", "one", "two", "three", "four", "five")


@dataclass(frozen=True)
class Scale:
    """How the section writes numbers."""

    adds: int
    """Decimals of marginal contributions."""
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
    """One line per contributor, in the order of the ranking."""
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
    """One line per pair: those with rows in common, most first, then the strongest of either kind, substitutes first."""
    near = np.maximum(found.near, found.near.T)
    common = {pair: float(near[pair.first, pair.second]) for pair in found.pairs()}
    strongest = sorted(common, key=lambda pair: (-common[pair], -abs(pair.redundancy)))[:PAIRS_IN_TABLE]
    return [
        {
            "first": shortened(found.names[pair.first], NAME_LIMIT),
            "second": shortened(found.names[pair.second], NAME_LIMIT),
            "redundancy": signed(pair.redundancy, scale.adds),
            "common": percent(common[pair]) if common[pair] else "–",
            "both": fixed(pair.missed_both, scale.adds),
            "first_alone": fixed(float(found.leave_one_out[pair.first]), scale.adds),
            "second_alone": fixed(float(found.leave_one_out[pair.second]), scale.adds),
        }
        for pair in sorted(strongest, key=lambda pair: (-common[pair], -pair.redundancy))
    ]


def harmful_words(found: CoalitionValues) -> Markup | None:
    """The contributors without which the coalition of all would have a higher value. None where there are none."""
    harmful = np.flatnonzero(found.leave_one_out < -found.negligible)
    if not len(harmful) or len(found.names) < 2:
        return None
    worst_first = sorted(harmful.tolist(), key=lambda place: float(found.leave_one_out[place]))
    names = names_of(found.names[place] for place in worst_first)
    any_one = " any one of" if len(worst_first) > 1 else ""
    return Markup("The value of all together would be higher without{} {}.").format(any_one, names)


def pair_words(found: CoalitionValues, scale: Scale) -> list[Markup]:
    """The strongest substitutes, then the strongest complements, without negligible ones."""
    pairs = found.pairs()
    alike = [pair for pair in pairs if min(pair.redundancy, pair.missed_both) > found.negligible][:PAIRS_IN_WORDS]
    apart = [pair for pair in pairs[-1:] if pair.redundancy < -found.negligible]
    sentences = [_pair_words("{} and {} are redundant", found, pair, scale) for pair in alike]
    if not sentences:
        sentences.append(Markup("No two contributors are redundant to a relevant degree."))
    return sentences + [_pair_words("{} and {} are worth more together", found, pair, scale) for pair in apart]


def greedy_words(found: CoalitionValues, account: CoalitionAccount, scale: Scale) -> list[Markup]:
    """The first contributors of the greedy search, their value together, and the step after which the value falls."""
    k, first = len(found.names), min(5, len(found.greedy))
    names = names_of((found.names[place] for place in found.greedy[:first]), limit=5)
    worth = fixed(float(found.greedy_values[first - 1]), scale.value)
    start = Markup("Adding the best next contributor at each step, the search takes {}: value {} together").format(names, worth)
    against = f", compared with {fixed(account.value_of_all, scale.value)} for all {k}." if first < k else "."
    return [start + against, *_enough(found, account), *_where_it_stops(found, scale)]


def _enough(found: CoalitionValues, account: CoalitionAccount) -> list[Markup]:
    """After how many steps nearly the whole gain of the search is reached."""
    gains, best = found.greedy_values - account.value_of_empty, int(found.greedy_values.argmax())
    enough = 1 + int((gains >= MOST_OF_IT * gains[best]).argmax())
    if gains[best] <= 0 or enough > best:
        return []
    who = "The first alone reaches" if enough == 1 else f"The first {enough} reach"
    share = percent(float(gains[enough - 1] / gains[best]))
    over = "no training" if account.is_ntk_regression else "the worst contributor alone"
    return [Markup("{} {} of the gain of the first {} over {}.").format(who, share, best + 1, over)]


def _where_it_stops(found: CoalitionValues, scale: Scale) -> list[Markup]:
    k, steps, best = len(found.names), len(found.greedy), int(found.greedy_values.argmax())
    if best + 1 < steps:
        name, worth = name_of(found.names[found.greedy[best]]), fixed(float(found.greedy_values[best]), scale.value)
        words = Markup("The value is highest after step {} ({}), at {}: no later coalition of the search has a higher value.")
        return [words.format(best + 1, name, worth)]
    if steps > 1 and (np.diff(found.greedy_values) > 0).all():
        end = "." if steps == k else "; the search ends there."
        return [Markup("Each of the {} steps adds value{}").format(steps, end)]
    return []


def greedy_title(found: CoalitionValues) -> str:
    """Title of the part on the greedy search: its first steps, or its order where there are few contributors."""
    return f"Best {NUMBERS[min(5, len(found.greedy))]} together" if len(found.names) > 5 else "Best order to add contributors"


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
    """How many of the ranked contributors are in the coalition game."""
    if not account.n_left_out:
        return f"All {account.n_contributors} ranked contributors are included." if account.n_contributors > 1 else ""
    left = counted(account.n_left_out, "ranked contributor")
    return f"The {account.n_contributors} best-ranked contributors are included; {left} are not."


def _pair_words(opening: str, found: CoalitionValues, pair: Pair, scale: Scale) -> Markup:
    first, second = name_of(found.names[pair.first]), name_of(found.names[pair.second])
    lost = [pair.missed_both, *(float(found.leave_one_out[place]) for place in (pair.first, pair.second))]
    without = (Markup("both"), Markup("only {}").format(first), Markup("only {}").format(second))
    parts, previous = [], ""
    for loss, whom in zip(lost, without, strict=True):
        verb = "gain" if loss < 0 else "lose"
        parts.append(
            Markup("{}{} without {}").format("" if verb == previous else f"{verb} ", fixed(abs(loss), scale.adds), whom)
        )
        previous = verb
    start = Markup(opening).format(first, second)  # noqa: S704  (our own words; names are escaped by format)
    return start + Markup(": all together would {}, {} and {}.").format(*parts)
