"""The figures of the evidence as Markdown tables, whichever worlds and methods they are of.

A figure's name says what it is of (`benchmarks/evidence/run.py`): `spearman/WORLD/METHOD`, `mean_spearman`,
`rival_mean_spearman/METHOD`, `gain_p_holm/METHOD`, `seconds/METHOD`, `peak_bytes/METHOD`, `ceiling/WORLD`; with `/low` and
`/high` for the ends of an interval, and `/reduced` at the end for the small worlds. Others stand in a table of their own.
"""

from __future__ import annotations

from collections.abc import Sequence

from docs.engine_tables import Figure, cell, grouped

REDUCED = "/reduced"
OURS = "tangent-regression"
OF_METHODS = ("spearman", "mean_spearman", "rival_mean_spearman", "gain_p_holm", "seconds", "peak_bytes", "ceiling")


def evidence(figures: Sequence[Figure]) -> str:
    """A table of the full worlds, one of the reduced ones, each best first, and what else was measured."""
    full = {one["name"]: one for one in figures if not one["name"].endswith(REDUCED)}
    reduced = {one["name"].removesuffix(REDUCED): one for one in figures if one["name"].endswith(REDUCED)}
    parts = [
        f"### {title}\n\n{methods_table(held)}"
        for title, held in (("The worlds", full), ("The reduced worlds", reduced))
        if _worlds(held)
    ]
    others = [one for name, one in full.items() if name.partition("/")[0] not in OF_METHODS]
    return "\n\n".join([*parts, *([grouped(others)] if others else [])])


def methods_table(held: dict[str, Figure]) -> str:
    """Spearman by world and in the mean with intervals, p against ours, seconds and memory; the best mean first."""
    worlds = _worlds(held)
    methods = list(dict.fromkeys(name.split("/")[2] for name in held if name.startswith("spearman/")))
    methods.sort(key=lambda method: -_mean_over(held, method, worlds))
    head = ["method", *worlds, "mean", "p", "seconds", "MB"]
    lines = [head, ["---"] * len(head), *(_line(held, method, worlds) for method in methods)]
    ceilings = ["ceiling", *(_number(held, f"ceiling/{world}") for world in worlds), "", "", "", ""]
    return "\n".join(f"| {' | '.join(cell(text) for text in line)} |" for line in [*lines, ceilings])


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
