"""The figures of the studies and of attacks as Markdown tables, each with the command that measures it; nothing for none.

[WORLD/]kendall_ROWS[/METHOD][/FORM]                  `benchmarks/evidence/studies/stability.py`; without WORLD, of `large`
[WORLD/]kendall_switch/SWITCH/SETTING                 the same
ablation/WORLD/METHOD/spearman                        `benchmarks/evidence/studies/ablation.py`, of the base
ablation/WORLD/METHOD/VARIANT/gain                    the same; with `low` and `high` for the ends of its interval
attacks/WORLD/ATTACK/gain/METHOD                       `benchmarks/evidence/attacks/run.py`; with `truth_gain`, and
                                                      `after_gate_gain` unless the gate rejects
attacks/WORLD/ATTACK/works, .../noticed_by             the same; and of all attacks attacks/WORLD/works, .../unnoticed
rate/WORLD/untrained                                  `benchmarks/evidence/studies/rates.py`, the checkpoint's own metric
rate/WORLD/RATE/median_gain                           the same; with `helped` and `spearman`
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from docs.engine_tables import Figure, cell, is_met

LARGE, FIRST_FORM = "large", "rows-read"
STABILITY = re.compile(r"(?:([^/]+)/)?kendall_(\d+)((?:/[^/]+)*?)(/next|/spearman)?")
SWITCH = re.compile(r"(?:([^/]+)/)?kendall_switch/([^/]+)/(.+)")
ENDS = (("gain", "{:+.2f}"), ("low", "{:.2f}"), ("high", "{:.2f}"))
TAU, RANKS, COUNT, METRIC, GAIN, SHARE = "{:.3f}", "{:+.1f}", "{:.0f}", "{:.3f}", "{:+.4f}", "{:.0%}"
Held = Mapping[str, Figure]
Of = Mapping[Any, Figure]
"""By the parts of a name."""


def is_of_study(name: str) -> bool:
    """Whether a figure of that name is shown here."""
    return bool(STABILITY.fullmatch(name) or SWITCH.fullmatch(name)) or name.startswith(("ablation/", "attacks/", "rate/"))


def stability(held: Held) -> str:
    """Over rows by world and form: Kendall's tau, and Spearman's with truth in brackets; then of seeds and settings.

    Bold: below the figure's target.
    """
    found = [(match, figure) for name, figure in held.items() if (match := STABILITY.fullmatch(name)) and match[4] != "/next"]
    if not found:
        return ""
    sizes = sorted({int(match[2]) for match, _ in found})
    lines: dict[tuple[str, str], dict[int, str]] = {}
    for match, figure in sorted(found, key=lambda one: one[0][4] is not None):
        own = lines.setdefault((match[1] or LARGE, match[3].removeprefix("/").replace("/", ", ") or FIRST_FORM), {})
        value, size = _number(figure, TAU), int(match[2])
        if match[4]:
            own[size] += f" ({value})"
        else:
            own[size] = f"**{value}**" if is_met(figure) is False else value
    rows = [[world, form, *(own.get(size, "") for size in sizes)] for (world, form), own in lines.items()]
    parts = [_table(["world", "form", *(f"{size:,} rows" for size in sizes)], rows), _by(figure for _, figure in found)]
    switches = [(match, figure) for name, figure in held.items() if (match := SWITCH.fullmatch(name))]
    if switches:
        rows = [[match[1] or LARGE, match[2], match[3], _number(figure)] for match, figure in switches]
        parts.insert(1, _table(["world", "what", "setting", "Kendall's tau with the base"], rows))
    return "\n\n".join(parts)


def ablation(held: Held) -> str:
    """What each variant gains on its base with the interval, a table a method, a column a world."""
    found = {tuple(name.split("/", 3)[1:]): figure for name, figure in held.items() if name.startswith("ablation/")}
    parts = []
    for method in dict.fromkeys(key[1] for key in found):
        own = {(key[0], key[2]): figure for key, figure in found.items() if key[1] == method}
        worlds = list(dict.fromkeys(world for world, _ in own))
        variants = list(dict.fromkeys(rest.removesuffix("/gain") for _, rest in own if rest.endswith("/gain")))
        rows = [["Spearman of the base", *(_of(own, (world, "spearman")) for world in worlds)]]
        rows += [[variant, *(_gain(own, world, variant) for world in worlds)] for variant in variants]
        parts += [_table([f"`{method}`", *worlds], rows), _by(own.values())]
    return "\n\n".join(parts)


def rates(held: Held) -> str:
    """What truth by each peak rate says, a line a world and rate. Gains in nats a token; bold: the best one of a world."""
    found = {tuple(name.split("/")[1:]): figure for name, figure in held.items() if name.startswith("rate/")}
    rows = []
    for world in dict.fromkeys(key[0] for key in found):
        own = {key[1]: figure["figure"] for key, figure in found.items() if key[0] == world and key[-1] == "median_gain"}
        for rate, median in own.items():
            shown = GAIN.format(median)
            rest = (_of(found, (world, rate, "helped"), SHARE), _of(found, (world, rate, "spearman")))
            untrained = _of(found, (world, "untrained"), METRIC)
            rows.append([world, rate, untrained, f"**{shown}**" if median == max(own.values()) else shown, *rest])
    if not rows:
        return ""
    head = [
        "world",
        "peak rate",
        "untrained",
        "gain of the median contributor",
        "contributors that help",
        "Spearman of `ntk-regression`",
    ]
    return "\n\n".join([_table(head, rows), _by(found.values())])


def attacks(held: Held) -> str:
    """Ranks that each attack gains, by method, in truth and after the gate, and whether it works; a table a world."""
    found = {tuple(name.split("/")[1:]): figure for name, figure in held.items() if name.startswith("attacks/")}
    parts = []
    for world in dict.fromkeys(key[0] for key in found):
        own = {key[1:]: figure for key, figure in found.items() if key[0] == world}
        names = list(dict.fromkeys(key[0] for key in own if len(key) > 1))
        methods = list(dict.fromkeys(key[2] for key in own if len(key) == 3))
        head = [f"attack in {world}", *(f"`{method}`" for method in methods), "truth", "after the gate", "works", "noticed by"]
        working, unnoticed = (_of(own, (name,), COUNT) for name in ("works", "unnoticed"))
        told = f"{working} of {len(names)} attacks work, {unnoticed} of them unnoticed."
        parts += [_table(head, [_attack(own, name, methods) for name in names]), f"{told} {_by(own.values())}"]
    return "\n\n".join(parts)


def _attack(own: Of, name: str, methods: Sequence[str]) -> list[str]:
    return [
        f"`{name}`",
        *(_of(own, (name, "gain", method), RANKS) for method in methods),
        _of(own, (name, "truth_gain"), RANKS),
        _of(own, (name, "after_gate_gain"), RANKS) or "rejected",
        "yes" if _of(own, (name, "works"), COUNT) == "1" else "no",
        _of(own, (name, "noticed_by"), COUNT),
    ]


def _gain(own: Of, world: str, variant: str) -> str:
    value, low, high = (_of(own, (world, f"{variant}/{end}"), form) for end, form in ENDS)
    return f"{value} ({low} to {high})" if value else ""


def _of(own: Of, key: tuple[str, ...], form: str = "{:.2f}") -> str:
    return _number(own[key], form) if key in own else ""


def _number(figure: Figure, form: str = "{:.2f}") -> str:
    return "" if figure["figure"] is None else form.format(figure["figure"])


def _by(figures: Iterable[Figure]) -> str:
    commands = dict.fromkeys(cell(one["command"]) for one in figures)
    return f"By {', '.join(f'`{command}`' for command in commands)}."


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell(text) for text in line)} |" for line in lines)
