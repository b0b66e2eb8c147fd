"""Colours that follow the reader's light or dark setting, and the two widths a chart is drawn at.

Charts are drawn with stand-in colours, each of which becomes a CSS variable in the page; so one drawing serves light, dark
and print. Terms have the colours that their specs say (`mixval/contracts/terms.py`).
"""

from dataclasses import dataclass, replace

from mixval.contracts.terms import TERMS

INK = "#000001"
MUTED = "#000002"
GRID = "#000003"
BAND = "#000004"
PAPER = "#000005"
ACCENT = "#000006"
SUBSTITUTE = "#00000b"
COMPLEMENT = "#00000c"
ACCEPT = "#00000d"
QUARANTINE = "#00000e"
REJECT = "#00000f"

VARIABLES = {
    "#000000": "ink",
    INK: "ink",
    MUTED: "muted",
    GRID: "grid",
    BAND: "band",
    PAPER: "paper",
    ACCENT: "accent",
    SUBSTITUTE: "substitute",
    COMPLEMENT: "complement",
    ACCEPT: "accept",
    QUARANTINE: "quarantine",
    REJECT: "reject",
}
"""Stand-in colour -> name of the CSS variable in report.css; those of terms come from `variable`."""
_OF_TERM = "#0001"
"""Prefix of the stand-in colours of terms; the term's position follows in two digits."""


def term_colour(term: str) -> str:
    """The stand-in colour of a term."""
    return f"{_OF_TERM}{TERMS.position(term):02x}"


def variable(colour: str) -> str:
    """Name of the CSS variable that a stand-in colour becomes."""
    if colour.startswith(_OF_TERM):
        return f"term-{list(TERMS)[int(colour.removeprefix(_OF_TERM), 16)]}"
    return VARIABLES[colour]


def term_style() -> str:
    """CSS rules with every term's colour as a variable: on light pages, on dark ones, in print."""
    light, dark = (
        "; ".join(f"--term-{term.name}: {getattr(term, scheme)}" for term in TERMS.values()) for scheme in ("light", "dark")
    )
    return (
        f":root {{ {light}; }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root {{ {dark}; }} }}\n"
        f"@media print {{ :root {{ {light}; }} }}\n"
    )


CELL_EM, CAPITAL_EM, WIDE_EM = 0.65, 0.8, 1.0
"""Widths of a character cell, a capital, and the widest letters, in the font's size; generous for most fonts."""
LABEL_GAP = 16
"""CSS pixels around a name: half of them between it and the axes, half left of it."""


@dataclass(frozen=True)
class Layout:
    """One width a chart is drawn at, in CSS pixels."""

    name: str
    width: int
    label_width: int
    """Room for contributors' names, left of the axes."""
    font_size: float
    row_height: int
    """Height of one contributor's row."""
    panels_across: int
    """Small multiples in one row."""


WIDE = Layout("wide", width=860, label_width=210, font_size=13, row_height=26, panels_across=4)
NARROW = Layout("narrow", width=350, label_width=112, font_size=12, row_height=26, panels_across=2)
LAYOUTS = (WIDE, NARROW)
ROOMY = 24
"""Rows up to which a chart has the layout's own row height."""


def closer(layout: Layout, n_rows: int) -> Layout:
    """The layout with lower rows and smaller type where there are many rows."""
    return layout if n_rows <= ROOMY else replace(layout, font_size=11, row_height=17)
