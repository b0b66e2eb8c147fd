"""Sections of the evidence page on the studies: which switches matter, and how few rows give the same ranking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from benchmarks.evidence.studies.plots import TARGET, TARGET_ROWS, curve_name, curves, gain_plot, rows_plot
from benchmarks.evidence.studies.results import Ablation, AblationResult, StabilityResult, SubsetAgreement, SwitchAgreement
from mixval.evidence.bootstrap import LEVEL
from mixval.evidence.page.section import Section
from mixval.evidence.page.view import Cell, cell
from mixval.evidence.results import SkippedMethod
from mixval.evidence.table import DECIMALS, p_words
from mixval.publish.names import visible
from mixval.publish.numerals import count, counted, fixed, percent
from mixval.publish.report.theme import LAYOUTS
from mixval.publish.templates import templates


@dataclass(frozen=True)
class VariantLine:
    """One row of the table of variants."""

    name: str
    group: str
    spearman: Cell
    gain: Cell
    p: str


def ablation_sections(ablations: Sequence[AblationResult]) -> list[Section]:
    """One a world and method that has variants. The same studies give the same HTML."""
    return [
        Section(
            key=f"ablation-{at}-{k}",
            heading=Markup("What matters to <bdi>{}</bdi> in <bdi>{}</bdi>").format(visible(one.method), visible(world.world)),
            body=_rendered("ablation", _ablation(world, one, f"{at}-{k}")),
        )
        for at, world in enumerate(ablations)
        for k, one in enumerate(world.ablations)
        if one.variants
    ]


def stability_sections(stabilities: Sequence[StabilityResult]) -> list[Section]:
    """One a world. The same studies give the same HTML."""
    return [
        Section(
            key=f"stability-{at}",
            heading=Markup("How few rows give the same ranking: <bdi>{}</bdi>").format(visible(one.world)),
            body=_rendered("stability", _stability(one, at)),
        )
        for at, one in enumerate(stabilities)
    ]


def _rendered(name: str, fields: dict[str, Any]) -> Markup:
    template = templates("benchmarks.evidence.studies", "mixval.evidence.page").get_template(f"{name}.html.j2")
    return Markup(template.render(fields))


def _ablation(world: AblationResult, one: Ablation, key: str) -> dict[str, Any]:
    words = f"{counted(len(one.variants), 'variant')}, a row each: what it gains on the base. The table below has every number."
    return {
        "key": key,
        "level": percent(LEVEL),
        "words": _ablation_words(world, one),
        "charts": [gain_plot(one, f"gain-{key}", layout, words) for layout in LAYOUTS],
        "lines": [
            VariantLine(visible(v.name), visible(v.group), cell(v.spearman), cell(v.gain, is_signed=True), p_words(v.p_holm))
            for v in one.variants
        ],
        "skipped": [(visible(held.method), visible(held.reason)) for held in _skipped(one)],
        "command": visible(one.command),
    }


def _skipped(one: Ablation) -> list[SkippedMethod]:
    return sorted(one.skipped, key=lambda held: held.method)


def _ablation_words(world: AblationResult, one: Ablation) -> str:
    base = cell(one.spearman)
    ceiling = "unknown" if world.ceiling is None else fixed(world.ceiling, DECIMALS)
    return (
        f"{counted(len(world.truth), 'contributor')}. By default {visible(one.method)} reaches a Spearman correlation "
        f"of {base.value} ({base.interval}) with truth; highest to be expected: {ceiling}."
    )


def _stability(result: StabilityResult, at: int) -> dict[str, Any]:
    found = curves(result)
    words = f"{counted(len(found), 'line')}: Kendall's tau over rows a contributor. The table below has every number."
    sizes = sorted(result.n_rows.values())
    return {
        "key": str(at),
        "target": f"{TARGET:g}",
        "target_rows": count(TARGET_ROWS),
        "first": visible(next(iter(found))[0]),
        "words": f"{counted(len(sizes), 'contributor')} of {count(sizes[0])} to {count(sizes[-1])} rows, "
        f"{count(result.target_rows)} rows of T. {_reached(result)}",
        "sizes": [count(n) for n in sorted({one.n_rows for one in result.subsets})],
        "charts": [rows_plot(result, f"rows-{at}", layout, words) for layout in LAYOUTS],
        "lines": [
            (visible(curve_name(method, form)), [_subset_lines(one) for one in own]) for (method, form), own in found.items()
        ],
        "truth": [
            (visible(curve_name(method, form)), [fixed(_mean(one.spearman), DECIMALS) for one in own])
            for (method, form), own in found.items()
            if all(one.spearman for one in own)
        ],
        "switches": [_switch_line(one) for one in result.switches],
        "command": visible(result.command),
    }


def _reached(result: StabilityResult) -> str:
    """Which forms reach the target wherever it is asked for."""
    reaching = [
        curve_name(*key)
        for key, own in curves(result).items()
        if all(_mean(one.against_all) >= TARGET for one in own if one.n_rows >= TARGET_ROWS)
        and any(one.n_rows >= TARGET_ROWS for one in own)
    ]
    wanted = f"{TARGET:g} from {count(TARGET_ROWS)} rows on"
    return f"Reaching {wanted}: {visible('; '.join(reaching))}." if reaching else f"None reaches {wanted}."


def _subset_lines(one: SubsetAgreement) -> tuple[str, str, str]:
    """The mean, the lowest and the highest draw, and the mean agreement with the next larger subset."""
    ends = [fixed(end(one.against_all), DECIMALS) for end in (min, max)]
    return fixed(_mean(one.against_all), DECIMALS), " to ".join(ends), f"next {fixed(_mean(one.against_next), DECIMALS)}"


def _switch_line(one: SwitchAgreement) -> tuple[str, str, str]:
    return visible(one.switch), visible(one.setting), fixed(one.kendall, DECIMALS)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))
