"""The distribution of worlds as Markdown: for a terminal, and for the page of the evidence. No number is written by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from benchmarks.evidence.distribution.catalogue import UNSEEN_DESIGNS, listed
from benchmarks.evidence.distribution.over_worlds import OverWorlds, Rival, by_design, over_worlds
from benchmarks.evidence.distribution.results import FORMS, HEADLINE, DistributionResult
from mixval.evidence.bootstrap import Interval
from mixval.evidence.comparison import OURS

SHOWN_RIVALS = 8
"""Of the tables by design and by form: those with the smallest margin below ours."""
LOST_BY = 0.1
"""Spearman by which a rival leads where a world is listed as lost."""
FEWEST_WORLDS = 4
"""A rival with scores in fewer stands last: its mean says little."""


def distribution_text(results: Sequence[DistributionResult]) -> str:
    """Judged worlds in every form of truth, and development worlds in the headline form."""
    valued = [one for one in results if OURS in one.scores]
    judged = [one for one in valued if one.role == "judged"]
    development = [one for one in valued if one.role == "development"]
    parts = [_counted(judged, development)]
    if waiting := sorted(one.world for one in results if OURS not in one.scores):
        parts += [f"With truth, and no scores of `{OURS}` yet, so that nothing is said of them: {', '.join(waiting)}."]
    if lacking := sorted({one.name for one in listed()} - {one.world for one in results}):
        parts += [f"Listed in the catalogue and not measured yet: {', '.join(lacking)}."]
    if judged:
        parts += _judged(judged)
    if development:
        found = over_worlds(development, HEADLINE)
        parts += [f"Development worlds ({len(found.worlds)}), truth {HEADLINE}:", methods_table(found)]
    return "\n\n".join(parts)


def _judged(judged: Sequence[DistributionResult]) -> list[str]:
    forms = {form: over_worlds(judged, form) for form in FORMS if any(form in one.truth for one in judged)}
    found = forms[HEADLINE]
    parts = [f"Judged worlds ({len(found.worlds)}), truth {HEADLINE}:", methods_table(found)]
    parts += ["Worlds won and lost against the nearest rivals, by design:", designs_table(found)]
    parts += ["Other forms of truth; margins are ours less the rival's:", forms_table(forms)]
    parts += [f"Where a rival leads by {LOST_BY} or more:", losses_table(found)]
    return parts


def methods_table(found: OverWorlds) -> str:
    """Every method: mean over worlds with its interval, mean by task, margin of ours, worlds won and lost."""
    tasks = sorted(found.by_task)
    lines = [["method", "worlds", "mean", *tasks, "ours less it", "won and lost"]]
    lines.append([f"`{OURS}`", str(len(found.worlds)), spread(found.mean), *_numbers(found.by_task, tasks), "", ""])
    lines += [
        [
            f"`{one.method}`",
            str(len(one.margins)),
            spread(one.mean),
            *_numbers(one.by_task, tasks),
            spread(one.margin, "{:+.2f}"),
            _won(one.record),
        ]
        for one in ordered(found.rivals)
    ]
    lines.append(["*two trainings*", str(len(found.worlds)), f"{found.agreement:.2f}", *([""] * (len(tasks) + 2))])
    return markdown(lines)


def designs_table(found: OverWorlds) -> str:
    """Worlds won and lost against the nearest rivals by design, by whether development has the design, and by backbone."""
    rivals = ordered(found.rivals)[:SHOWN_RIVALS]
    lines = [["worlds", *(f"`{one.method}`" for one in rivals)]]
    groups: tuple[Callable[[DistributionResult], str], ...] = (
        lambda one: f"design {one.design}",
        lambda one: f"a design that development {'lacks' if one.design in UNSEEN_DESIGNS else 'has'}",
        lambda one: f"backbone {one.backbone}",
    )
    for of in groups:
        held = [by_design(found, rival, of) for rival in rivals]
        for name in sorted({of(one) for one in found.worlds}):
            lines.append([name, *(_won(one[name]) if name in one else "" for one in held)])
    return markdown(lines)


def forms_table(forms: dict[str, OverWorlds]) -> str:
    """Our mean and the margins against the nearest rivals, under each form of truth."""
    rivals = [one.method for one in ordered(forms[HEADLINE].rivals)[:SHOWN_RIVALS]]
    lines = [["truth", "worlds", f"`{OURS}`", *(f"less `{name}`" for name in rivals)]]
    for form, found in forms.items():
        held = {one.method: one for one in found.rivals}
        margins = [spread(held[name].margin, "{:+.2f}") if name in held else "" for name in rivals]
        lines.append([form, str(len(found.worlds)), spread(found.mean), *margins])
    return markdown(lines)


def losses_table(found: OverWorlds) -> str:
    """Worlds in which a rival leads clearly, the largest gap first."""
    worlds = {one.world: one for one in found.worlds}
    lines = [["world", "ours", "best rival", "it leads by", "two trainings agree at"]]
    for world, rival in found.losses(LOST_BY):
        agreement = worlds[world].agreement(found.form)
        lines.append(
            [world, f"{found.spearman[world]:.2f}", f"`{rival.method}`", f"{-rival.margins[world]:.2f}", f"{agreement:.2f}"]
        )
    return markdown(lines) if len(lines) > 1 else "In none."


def ordered(rivals: Sequence[Rival]) -> list[Rival]:
    """The nearest to ours first, those with few worlds last."""
    return sorted(rivals, key=lambda one: (len(one.margins) < FEWEST_WORLDS, one.margin.value))


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """A table; the first line is its head."""
    head, *rows = lines
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *rows))


def spread(found: Interval, form: str = "{:.2f}") -> str:
    """A value with its interval, where there is one."""
    if math.isnan(found.low):
        return form.format(found.value)
    value, low, high = (form.format(one) for one in (found.value, found.low, found.high))
    return f"{value} ({low} to {high})"


def _won(record: tuple[int, int]) -> str:
    return f"{record[0]}–{record[1]}"


def _numbers(of: dict[str, float], tasks: Sequence[str]) -> list[str]:
    return [f"{of[task]:.2f}" if task in of else "" for task in tasks]


def _counted(judged: Sequence[DistributionResult], development: Sequence[DistributionResult]) -> str:
    n_pretrained = sum(one.is_pretrained for one in judged)
    clusters = len({one.cluster for one in judged})
    return (
        f"Judged worlds: {len(judged)}, with a published pretrained backbone {n_pretrained}, clusters of a data set and a "
        f"design {clusters}. Development worlds, on which a method may be shaped: {len(development)}."
    )
