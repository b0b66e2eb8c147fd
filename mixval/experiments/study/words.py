"""What a study found, in sentences, and what the paper found beside it."""

from __future__ import annotations

from dataclasses import dataclass

from mixval.experiments.results import Span
from mixval.experiments.study.paper import COLLAPSE, FIRST, LAST, RATIOS, gap
from mixval.experiments.study.results import GoodRatio, StudyFigures, Trend, Versus
from mixval.experiments.study.trained import mixture_name
from mixval.publish.numerals import MINUS, counted

CANNOT_SAY = "cannot say"


@dataclass(frozen=True)
class Finding:
    """One question, what this study says, and what the paper says."""

    question: str
    here: str
    paper: str


def headline(figures: StudyFigures) -> str:
    """How many models, and at which ratio the largest does best."""
    n = len(figures.places) * figures.replicates
    said = [f"{one.synthetic} {_ratio_words(one)}" for one in largest_good(figures)]
    return f"{counted(n, 'language model')}: at the largest size and budget the good ratio of {', of '.join(said)}."


def setting(figures: StudyFigures) -> str:
    """What was trained, and on what."""
    sizes = ", ".join(
        f"{one.name} ({one.params:,} parameters, {one.params_with_embedding:,} with embedding)" for one in figures.sizes
    )
    texts = ", ".join(f"{name} {n:,}" for name, n in figures.tokens.items())
    domains = ", ".join(f"{name} {n:,}" for name, n in figures.domains.items())
    return (
        f"Sizes: {sizes}. Budgets: {', '.join(f'{one:,}' for one in figures.budgets)} tokens. {figures.replicates} replicates. "
        f"Training tokens there are: {texts}. Held-out tokens by domain: {domains}; the loss is the mean over "
        "domains, in nats a token."
    )


def cautions(figures: StudyFigures) -> list[str]:
    """What limits all that is said."""
    repeated = {name: passes for name, passes in figures.most_epochs.items() if passes > 1}
    said = [
        f"Repeated text: the largest budget goes {passes:.2f} times through {name}. Losses at its largest ratios hold both "
        "effects, of the ratio and of repetition."
        for name, passes in repeated.items()
    ]
    if figures.replicates == 1:
        said.append(
            "There is one replicate: intervals hold the choice of held-out documents alone, and no ratio is called good."
        )
    if max(one.params for one in figures.sizes) < 1e8:
        said.append(
            "These models are far smaller than the paper's (100M to 3B parameters, 1B to 200B tokens). What holds here need "
            "not hold there."
        )
    return said


def findings(figures: StudyFigures) -> list[Finding]:
    """All questions that the study can be asked, at the largest size and budget."""
    found = [_good(one, figures) for one in largest_good(figures)]
    found += [_at_third(figures, name) for name in figures.synthetic if _third(figures) is not None]
    found += [_versus(one, figures) for one in _third_versus(figures)]
    found += [_alone(figures, name) for name in figures.synthetic if figures.ratios[-1] == 100]
    return [*found, *(_trend(one, figures) for one in _largest_trends(figures))]


def largest_good(figures: StudyFigures) -> list[GoodRatio]:
    """The good ratios at the largest size and budget."""
    place = figures.sizes[-1].name, figures.budgets[-1]
    return [one for one in figures.good if (one.size, one.tokens) == place]


def span_words(one: Span, form: str = "{:+.4f}") -> str:
    """A number with its interval."""
    value, low, high = (form.format(each).replace("-", MINUS) for each in (one.value, one.low, one.high))
    return f"{value} ({low} to {high})"


def ratio_span(one: Span) -> str:
    """`10 to 33 %`, or the one ratio."""
    return f"{one.low:g} %" if one.low == one.high else f"{one.low:g} to {one.high:g} %"


def sign_words(one: Span) -> str:
    """`lower`, `higher`, or that neither can be said."""
    return "lower" if one.high < 0 else "higher" if one.low > 0 else f"{CANNOT_SAY} which is lower"


def _third(figures: StudyFigures) -> float | None:
    """The ratio nearest to a third, between a quarter and a half."""
    near = [ratio for ratio in figures.ratios if 25 <= ratio < 50]
    return min(near, key=lambda ratio: abs(ratio - 33)) if near else None


def _third_versus(figures: StudyFigures) -> list[Versus]:
    place = figures.sizes[-1].name, figures.budgets[-1], _third(figures)
    return [one for one in figures.versus if (one.size, one.tokens, one.per_cent) == place]


def _largest_trends(figures: StudyFigures) -> list[Trend]:
    wanted = {_third(figures), figures.ratios[-1]}
    return [one for one in figures.trends if one.size == figures.sizes[-1].name and one.per_cent in wanted]


def _ratio_words(one: GoodRatio) -> str:
    if one.reason:
        return f"cannot be said ({ratio_span(one.per_cent)})"
    return f"is {one.per_cent.value:g} % ({ratio_span(one.per_cent)})"


def _good(one: GoodRatio, figures: StudyFigures) -> Finding:
    here = f"{one.per_cent.value:g} % has the least mean loss; the least lies at {ratio_span(one.per_cent)}"
    here = f"{CANNOT_SAY}: {one.reason}. {here}" if one.reason else here
    recipe = figures.made_by.get(one.synthetic, "")
    return Finding(f"Good ratio of {one.synthetic}", f"{here}.", f"{RATIOS[recipe]}." if recipe else "")


def _at_third(figures: StudyFigures, name: str) -> Finding:
    ratio = _third(figures) or 0.0
    return Finding(
        f"{mixture_name(name, ratio)} against real text", _gap_words(figures, name, ratio), _paper(figures, name, ratio)
    )


def _alone(figures: StudyFigures, name: str) -> Finding:
    return Finding(f"{name} alone against real text", _gap_words(figures, name, 100.0), _paper(figures, name, 100.0))


def _gap_words(figures: StudyFigures, name: str, ratio: float) -> str:
    one = figures.at[name, ratio, figures.sizes[-1].name, figures.budgets[-1]]
    return f"{sign_words(one.gap)}: {span_words(one.gap)}."


def _paper(figures: StudyFigures, name: str, ratio: float) -> str:
    recipe = figures.made_by.get(name, "")
    gaps = [gap(recipe, ratio, tokens) for tokens in (FIRST, LAST)]
    if gaps[0] is None or gaps[1] is None:
        return ""
    first, last = (f"{one:+.3f}".replace("-", MINUS) for one in gaps if one is not None)
    return f"By its Table 4, at 1B parameters: {first} at {FIRST:g}B tokens, {last} at {LAST:g}B."


def _versus(one: Versus, figures: StudyFigures) -> Finding:
    recipes = [figures.made_by.get(name, "") for name in (one.one, one.other)]
    found = [[gap(recipe, one.per_cent, tokens) for recipe in recipes] for tokens in (FIRST, LAST)]
    paper = ""
    if None not in (*found[0], *found[1]):
        first, last = (f"{(a or 0.0) - (b or 0.0):+.3f}".replace("-", MINUS) for a, b in found)
        paper = f"By its Table 4, at 1B parameters: {first} at {FIRST:g}B tokens, {last} at {LAST:g}B."
    question = f"{mixture_name(one.one, one.per_cent)} against {mixture_name(one.other, one.per_cent)}"
    return Finding(question, f"{sign_words(one.gap)}: {span_words(one.gap)}.", paper)


def _trend(one: Trend, figures: StudyFigures) -> Finding:
    span = one.a_doubling
    said = "shrinks" if span.high < 0 else "grows" if span.low > 0 else f"{CANNOT_SAY} whether it grows or shrinks"
    largest = figures.at[one.synthetic, one.per_cent, one.size, figures.budgets[-1]].gap
    pattern = ""
    if span.low > 0 and largest.low > 0:
        pattern = " A loss above that of real text whose distance grows with data is the pattern that model collapse predicts."
    elif largest.low > 0:
        pattern = " The loss lies above that of real text; a growing distance, as model collapse predicts, is not seen."
    is_textbook = figures.made_by.get(one.synthetic) == "textbook"
    question = f"Gap of {mixture_name(one.synthetic, one.per_cent)} to real text as data grow"
    paper = (
        f"{COLLAPSE}: {_paper(figures, one.synthetic, one.per_cent).removeprefix('By its Table 4, ')}" if is_textbook else ""
    )
    return Finding(question, f"{said}: {span_words(span)} a doubling of tokens.{pattern}", paper)
