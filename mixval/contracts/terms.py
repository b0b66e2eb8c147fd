"""What a term of Eq. 8 (arXiv 2511.13640) is, as data, and which terms there are.

Every table, chart, sentence and weight rule iterates `TERMS`. How a term is measured stands in `mixval/stages/measurements.py`,
under the same name. `docs/architecture.md` lists the files that a new term touches.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from mixval.errors import ConfigError

_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class TermSpec:
    """One term: a cost, so that lower is better. Raises ConfigError for a name that no column can have."""

    name: str
    """Its column in ranking.parquet, beside `weighted_NAME`, and its key everywhere else."""
    label: str
    """Its heading."""
    unit: str
    """Of the term before weights; `1` where it has none."""
    sentence: str
    """What it is, as a formula or a few words."""
    lever: str
    """Rows that would lower it: completes 'What moves it: ...'."""
    light: str
    """Colour on a light page and in print, `#rrggbb`. Okabe and Ito's palette suits colour-blind readers."""
    dark: str
    """Colour on a dark page."""
    rows: Literal["read", "gradients", "all"]
    """Estimated from the rows that were read, or from those whose gradients were taken; or exact, of all admitted rows."""
    published_weight: float = 0.0
    """In the published regression onto the average of loss and MMD."""

    def __post_init__(self) -> None:
        """Refuse names that cannot be a column, a CSS variable and an identifier of a chart."""
        if not _NAME.fullmatch(self.name):
            raise ConfigError(f"term {self.name!r}: expected a name of a-z, 0-9 and _, beginning with a letter. Rename it.")

    @property
    def word(self) -> str:
        """The label within a sentence: an abbreviation stays, a word begins small."""
        return self.label if self.label.isupper() else self.label[:1].lower() + self.label[1:]


class TermRegistry(Mapping[str, TermSpec]):
    """The terms by name, in the order that every array of terms has."""

    def __init__(self, specs: tuple[TermSpec, ...]) -> None:
        """These, in this order."""
        self._specs: dict[str, TermSpec] = {}
        for spec in specs:
            self.add(spec)

    def __getitem__(self, name: str) -> TermSpec:
        """The term of that name."""
        return self._specs[name]

    def __iter__(self) -> Iterator[str]:
        """Names in order."""
        return iter(self._specs)

    def __len__(self) -> int:
        """How many terms there are."""
        return len(self._specs)

    def position(self, name: str) -> int:
        """The place of this term in arrays of terms. Raises KeyError for a name that is none."""
        return {known: at for at, known in enumerate(self._specs)}[name]

    def ordered(self, values: Mapping[str, float], where: str) -> list[float]:
        """Numbers by name, in the order of the terms. Raises ConfigError when one is missing, or is of no term."""
        missing, unknown = [name for name in self if name not in values], [name for name in values if name not in self]
        if missing or unknown:
            found = [f"none for {name!r}" for name in missing] + [f"one for {name!r}" for name in unknown]
            raise ConfigError(
                f"{where}: expected a number for each of the terms {', '.join(self)}, found {', '.join(found)}. Make "
                "them again with the terms that there are."
            )
        return [float(values[name]) for name in self]

    def remove(self, name: str) -> None:
        """Take a term out again. Raises KeyError for a name that is none."""
        del self._specs[name]

    def add(self, spec: TermSpec) -> None:
        """Make the term the last of them, in this process. Raises ConfigError for a name that one has."""
        if spec.name in self._specs:
            raise ConfigError(f"term {spec.name!r}: expected a name that no term has yet, found it twice. Rename one of them.")
        self._specs[spec.name] = spec


TERMS = TermRegistry(
    (
        TermSpec(
            name="loss",
            label="Loss",
            unit="nats",
            sentence="pi L(S1) + (1 - pi) L(S2)",
            lever="rows on which the backbone errs less before training: cleaner labels or answers, nearer to its training",
            light="#0072b2",
            dark="#56b4e9",
            rows="read",
            published_weight=0.5,
        ),
        TermSpec(
            name="discrepancy",
            label="Discrepancy",
            unit="kernel distance",
            sentence="pi D(T,S1) + (1 - pi) D(T,S2)",
            lever="rows that look more like the target set",
            light="#e69f00",
            dark="#e69f00",
            rows="read",
            published_weight=0.5,
        ),
        TermSpec(
            name="ntk",
            label="NTK",
            unit="1",
            sentence="sqrt(r' (Theta_0 + lambda I)^-1 r / n)",
            lever="rows whose answers the backbone's gradients fit with less effort: fewer contradicting labels, less "
            "repetition",
            light="#009e73",
            dark="#2bb68c",
            rows="gradients",
        ),
        TermSpec(
            name="composition",
            label="Composition",
            unit="1",
            sentence="sqrt(max(pi, 1 - pi) / |S|)",
            lever="more rows, or a mix of real and synthetic rows nearer to one half",
            light="#cc79a7",
            dark="#d98fb8",
            rows="all",
        ),
    )
)
"""The terms of Eq. 8, in its order."""
