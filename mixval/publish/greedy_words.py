"""What the greedy search over coalitions found, as one sentence: only steps that add more than their uncertainty are named."""

from __future__ import annotations

from mixval.publish.coalition_values import CoalitionValues
from mixval.publish.numerals import fixed
from mixval.publish.sentence import Sentence

UNKNOWN = "By Eq. 8 the uncertainty of what contributors add to others is not known, so no difference is reported."


def greedy_sentence(found: CoalitionValues, decimals: int) -> Sentence:
    """The contributors that the search takes first, and their value together, with `decimals`."""
    clear = found.clear_steps
    if not found.has_errors:
        return Sentence(UNKNOWN)
    if clear == 0:
        return Sentence("Greedy search: not even the best first contributor adds more than its uncertainty to no rows at all.")
    worth = fixed(float(found.greedy_values[clear - 1]), decimals)
    names = tuple(found.names[place] for place in found.greedy[:clear])
    if clear == 1:
        words = f"Greedy search: {{}} comes first, with value {worth}"
    else:
        words = f"Greedy search, adding the best next contributor: {{}}; value together {worth}"
    rest = "" if clear == len(found.greedy) else "; the next one adds no more than its uncertainty"
    return Sentence(f"{words}{rest}. Other orders may do as well.", (names,))
