"""The figures of the evidence as Markdown tables, whichever worlds and methods they are of.

A figure's name says what it is of (`benchmarks/evidence/run.py`): `spearman/WORLD/METHOD`, `mean_spearman`,
`rival_mean_spearman/METHOD`, `gain_p_holm/METHOD`, `seconds/METHOD`, `peak_bytes/METHOD`, `ceiling/WORLD`; with `/low` and
`/high` for the ends of an interval. Studies and attacks have names of their own (`study_tables.py`). What is of the small
worlds has `/reduced` at the end or `reduced/` before it, and stands apart. Others stand in a table of their own.
"""

from __future__ import annotations

from collections.abc import Sequence

from docs.engine_tables import Figure, cell, grouped
from docs.study_tables import ablation, attacks, is_of_study, rates, stability

REDUCED = "reduced"
STUDIES = (
    "How few rows give the same ranking",
    "What matters to a ranking",
    "What cheating gains",
    "Rates that truth trains with",
)
OURS = "ntk-regression"
OF_METHODS = (
    "spearman",
    "mean_spearman",
    "rival_mean_spearman",
    "gain_p_holm",
    "seconds",
    "peak_bytes",
    "ceiling",
    "seed_agreement",
)
OF_DISTRIBUTION = ("world_mean_spearman", "world_mean_spearman_low", "rival_margin_low", "truth", "worlds")
"""Of the distribution of worlds, whose tables are made from its results."""
OTHERS = {
    "ratio": "Shares of generated rows against trainings",
    "coalition": "Unions of contributors against trainings",
    "greedy": "Teams that are taken greedily, against random ones",
    "part": "What generated rows add, against trainings",
    "parts": "What declaring rows and splitting gain under values of parts",
    "mixing": "The cost of these trainings",
    "interval": "How often intervals hold what is true, in these worlds",
    "truncation": "How often intervals of a planted truncation hold it",
}
"""Titles of the other figures, by first word."""
BEST, ALWAYS = 4, ("eq8-fitted", "eq8-equal-z", "davinz", "size")
"""Of the summary: so many of the best rivals, and who stands in it wherever they are."""


def evidence(figures: Sequence[Figure]) -> str:
    """A table of the full worlds, best first, and those of studies and attacks; the same of the reduced ones; and the rest."""
    full = {one["name"]: one for one in figures if not _is_reduced(one["name"])}
    reduced = {_plain(one["name"]): one for one in figures if _is_reduced(one["name"])}
    small = [f"{title} in the reduced worlds" for title in STUDIES]
    parts = [*_sections(full, ["The worlds", *STUDIES]), *_sections(reduced, ["The reduced worlds", *small])]
    shown = (*OF_METHODS, *OF_DISTRIBUTION)
    others = [one for name, one in full.items() if name.partition("/")[0] not in shown and not is_of_study(name)]
    return "\n\n".join([*parts, *([grouped(others, OTHERS)] if others else [])])


def summary(figures: Sequence[Figure]) -> str:
    """Of the full worlds: ours, the best rivals that have scores in every world, and a few that everybody asks for."""
    held = {one["name"]: one for one in figures if not _is_reduced(one["name"])}
    worlds = _worlds(held)
    everywhere = [method for method in _methods(held) if all(f"spearman/{world}/{method}" in held for world in worlds)]
    rivals = sorted((one for one in everywhere if not one.startswith(OURS)), key=lambda one: -_mean_over(held, one, worlds))
    chosen = [one for one in rivals if one in rivals[:BEST] or one in ALWAYS]
    head = ["method", *worlds, "mean"]
    lines = [head, ["---"] * len(head), *(_line(held, method, worlds)[: len(head)] for method in (OURS, *chosen))]
    lines += [["*two trainings*", *(_number(held, f"seed_agreement/{world}") for world in worlds), ""]]
    return "\n".join(f"| {' | '.join(cell(text) for text in line)} |" for line in lines)


def _methods(held: dict[str, Figure]) -> list[str]:
    return list(dict.fromkeys(name.split("/")[2] for name in held if name.startswith("spearman/")))


def _sections(held: dict[str, Figure], titles: Sequence[str]) -> list[str]:
    """What there is, each under its title."""
    texts = (methods_table(held) if _worlds(held) else "", stability(held), ablation(held), attacks(held), rates(held))
    return [f"### {title}\n\n{text}" for title, text in zip(titles, texts, strict=True) if text]


def _is_reduced(name: str) -> bool:
    return name.endswith(f"/{REDUCED}") or name.startswith(f"{REDUCED}/")


def _plain(name: str) -> str:
    return name.removesuffix(f"/{REDUCED}").removeprefix(f"{REDUCED}/")


def methods_table(held: dict[str, Figure]) -> str:
    """Spearman by world and in the mean with intervals, p against ours, seconds and memory; the best mean first."""
    worlds = _worlds(held)
    methods = _methods(held)
    methods.sort(key=lambda method: -_mean_over(held, method, worlds))
    head = ["method", *worlds, "mean", "p", "seconds", "MB"]
    lines = [head, ["---"] * len(head), *(_line(held, method, worlds) for method in methods)]
    known = (("seed_agreement", "*two trainings*"), ("ceiling", "*ceiling*"))
    rows = [[says, *(_number(held, f"{name}/{world}") for world in worlds), "", "", "", ""] for name, says in known]
    lines += [row for row in rows if any(row[1:])]
    return "\n".join(f"| {' | '.join(cell(text) for text in line)} |" for line in lines)


def _line(held: dict[str, Figure], method: str, worlds: Sequence[str]) -> list[str]:
    megabytes = held.get(f"peak_bytes/{method}", {}).get("figure")
    return [
        f"`{method}`",
        *(_spread(held, f"spearman/{world}/{method}") for world in worlds),
        _spread(held, _mean_name(held, method)),
        _number(held, f"gain_p_holm/{method}", "{:.2g}"),
        _number(held, f"seconds/{method}", "{:.3g}"),
        "" if megabytes is None else f"{megabytes / 1e6:.0f}",
    ]


def _mean_name(held: dict[str, Figure], method: str) -> str:
    rival = f"rival_mean_spearman/{method}"
    return rival if rival in held or method != OURS else "mean_spearman"


def _worlds(held: dict[str, Figure]) -> list[str]:
    return list(dict.fromkeys(name.split("/")[1] for name in held if name.startswith("spearman/")))


def _mean_over(held: dict[str, Figure], method: str, worlds: Sequence[str]) -> float:
    found = [held[name]["figure"] for world in worlds if (name := f"spearman/{world}/{method}") in held]
    return float(sum(found) / len(found))


def _number(held: dict[str, Figure], name: str, form: str = "{:.2f}") -> str:
    figure = held.get(name, {}).get("figure")
    return "" if figure is None else form.format(figure)


def _spread(held: dict[str, Figure], name: str) -> str:
    ends = [_number(held, f"{name}/{end}") for end in ("low", "high")]
    value = _number(held, name)
    return f"{value} ({ends[0]} to {ends[1]})" if value and all(ends) else value
