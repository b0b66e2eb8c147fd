"""What an experiment shows and what it cannot show, in sentences."""

from __future__ import annotations

from mixval.experiments.results import ExperimentFigures, Weighting
from mixval.publish.numerals import counted

NO_LONGER_ONE = 1.05
"""Rows that a class takes, above which it is said to take more than one."""


def headline(figures: ExperimentFigures) -> str:
    """How many models on how many rows, and which of the two bends can be seen."""
    seen = [one.name for one in figures.weightings if one.is_visible]
    n_models = len(figures.sizes) * len(figures.weightings[0].errors)
    said = f"{counted(n_models, 'model')} on {figures.sizes[0]:,} to {figures.sizes[-1]:,} rows"
    if not seen:
        return f"{said}: the lemma's plateau is smaller than the noise of this test under either weighting."
    return f"{said}: a plateau as the lemma has it would show in the {' and the '.join(seen)} error."


def setting(figures: ExperimentFigures) -> str:
    """How rows were drawn, and that they repeat."""
    repeats = figures.sizes[-1] / figures.n_rows
    drawn = (
        f"{figures.n_classes} classes, the class of rank i with a share i^-{figures.beta:g}; a share {figures.real:g} of each "
        f"sample is drawn from all, the rest from the first {figures.cut}."
    )
    return (
        f"{drawn} Rows are drawn with replacement from {figures.n_rows:,} different ones, so the largest sample has each "
        f"{repeats:.1f} times in the mean, and a frequent class's far more often. Errors are on {figures.n_test:,} test rows."
    )


def findings(figures: ExperimentFigures, one: Weighting) -> list[str]:
    """What one weighting shows: the course, the two fitted numbers, breakpoints, and whether the bend can be seen."""
    return [_course(figures, one), _level(figures, one), _breaks(one), _bend(figures, one)]


def _course(figures: ExperimentFigures, one: Weighting) -> str:
    means = one.means
    return (
        f"The error goes from {share(means[0])} at {figures.sizes[0]:,} rows to {share(means[-1])} at {figures.sizes[-1]:,}. "
        f"The lemma, by which one row is enough to know a class, has {share(one.exact[0])} and {share(one.exact[-1])}."
    )


def _level(figures: ExperimentFigures, one: Weighting) -> str:
    needed, right = one.needed, one.right
    takes = f"{_rows(needed.value)} of a class to know it ({needed.low:.3g} to {needed.high:.3g})"
    answers = f"{share(right.value)} ({share(right.low)} to {share(right.high)}) of known classes' rows"
    said = f"It is that of a learner which takes {takes} and answers {answers} right, within {share(one.misfit)}."
    if None in one.places:
        return said
    first, second = (place for place in one.places if place is not None)
    moved = needed.value * first, needed.value * second
    reached = [place for place in moved if place <= figures.sizes[-1]]
    where = ("Neither is reached", "The second is not reached", "Both lie within the samples")[len(reached)]
    places = f"at {moved[0]:,.0f} and {moved[1]:,.0f} rows"
    if needed.value > NO_LONGER_ONE:
        places += f", not at {first:,.0f} and {second:,.0f}"
    return f"{said} Its bends are expected {places}. {where}."


def _rows(number: float) -> str:
    return f"{number:.3g} rows" if number > NO_LONGER_ONE else "1 row"


def _breaks(one: Weighting) -> str:
    places = " and ".join(f"{place.value:,.0f} ({place.low:,.0f} to {place.high:,.0f})" for place in one.breakpoints)
    exact = " and ".join(f"{place:,.0f}" for place in one.exact_breakpoints)
    found = f"Power laws in pieces break at {places} rows" if places else "No break of a power law is found"
    plateau = "the middle one is a plateau" if one.has_plateau else "no plateau is found"
    of_exact = f"breaks the exact curve at {exact}" if exact else "finds no break in the exact curve"
    return f"{found}; {plateau}. The same fit {of_exact}."


def _bend(figures: ExperimentFigures, one: Weighting) -> str:
    first, second = figures.formula
    between = f"Between k^beta = {first:,.0f} and k^beta / pi = {second:,.0f} the exact curve falls by {share(one.bend)}"
    noise = f"two deviations of a measured difference are {share(one.noise)}"
    told = "such a bend can be seen" if one.is_visible else "whether the measured curve bends so cannot be seen"
    return f"{between}; {noise}: {told}."


def share(value: float) -> str:
    """`0.35 %`, `41 %`."""
    return f"{100 * value:.2g} %" if abs(value) < 0.1 else f"{100 * value:.0f} %"
