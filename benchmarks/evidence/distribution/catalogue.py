"""The worlds of the distribution: data set, backbone, design and seed, and what each may be used for.

`development`: a ranking method may be shaped on these worlds. `judged`: on these it is judged, and nothing is chosen by them.
They differ in their draws, and three designs (`few-large`, `near-copies`, `families`) and four pairs of data set and backbone
stand among the judged ones alone (`UNSEEN_DESIGNS`, `unseen_pairs`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from benchmarks.evidence.distribution.backbones import KINDS, BackboneKind
from mixval.errors import ConfigError

Role = Literal["development", "judged"]
UNSEEN_DESIGNS = ("few-large", "near-copies", "families")
DEVELOPMENT: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("lm", "small-lm", ("truncation",)),
    ("sentiment", "minilm", ("noise", "mixtures")),
    ("cifar10", "efficientnet", ("compound",)),
    ("instruction", "small-lm", ("noise",)),
    ("cifar10", "resnet", ("truncation", "noise")),
    ("sentiment", "ngrams", ("truncation",)),
    ("cifar10", "efficientnet", ("shift",)),
    ("reasoning", "small-lm", ("mixtures",)),
    ("instruction", "smollm2", ("noise",)),
)
JUDGED: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("sentiment", "minilm", ("families", "near-copies")),
    ("cifar10", "efficientnet", ("families", "few-large")),
    ("lm", "small-lm", ("families", "few-large")),
    ("cifar100", "efficientnet", ("truncation", "noise", "mixtures")),
    ("instruction", "small-lm", ("families", "mixtures")),
    ("cifar10", "resnet", ("families", "shift")),
    ("reasoning", "small-lm", ("near-copies", "noise")),
    ("sentiment", "minilm", ("shift", "few-large", "compound")),
    ("cifar10", "efficientnet", ("near-copies", "noise")),
    ("sentiment", "ngrams", ("noise", "compound")),
    ("lm", "smollm2", ("noise",)),
    ("sentiment", "minilm-whole", ("mixtures",)),
    ("cifar10", "patches", ("noise",)),
    ("lm", "small-lm", ("mixtures",)),
    ("instruction", "smollm2", ("mixtures",)),
)
SEEDS: dict[Role, int] = {"development": 101, "judged": 201}
"""Of the first draws. A design draws sizes and amounts by its seed alone, so worlds of one seed have them in the same order."""
OWN_SEEDS: dict[tuple[str, str, str], int] = {
    ("lm", "small-lm", "families"): 202,
    ("lm", "small-lm", "few-large"): 203,
    ("instruction", "small-lm", "families"): 204,
    ("instruction", "small-lm", "mixtures"): 205,
    ("cifar10", "resnet", "families"): 206,
    ("cifar10", "resnet", "shift"): 207,
    ("reasoning", "small-lm", "near-copies"): 208,
    ("reasoning", "small-lm", "noise"): 209,
    ("sentiment", "minilm", "few-large"): 210,
    ("sentiment", "minilm", "compound"): 211,
    ("lm", "smollm2", "noise"): 212,
    ("sentiment", "minilm-whole", "mixtures"): 213,
    ("cifar10", "patches", "noise"): 214,
    ("lm", "small-lm", "mixtures"): 215,
    ("instruction", "smollm2", "mixtures"): 216,
}
"""Of judged worlds that were drawn later, each by itself. Those that still share a seed make intervals too narrow: give them
seeds of their own here, and measure them again."""


@dataclass(frozen=True)
class ListedWorld:
    """One world."""

    dataset: str
    backbone: str
    design: str
    role: Role
    seed: int

    @property
    def name(self) -> str:
        """Of its folder and its results."""
        return f"{self.dataset}-{self.backbone}-{self.design}-{self.seed}"

    @property
    def kind(self) -> BackboneKind:
        """Its backbone."""
        return KINDS[self.backbone]

    @property
    def cluster(self) -> str:
        """Worlds of one data set and design share pools and what is planted: they are resampled together."""
        return f"{self.dataset}/{self.design}"


def listed(role: Role | None = None) -> list[ListedWorld]:
    """The worlds of a role, or all: those that are worth most first."""
    rows: tuple[tuple[Role, tuple[tuple[str, str, tuple[str, ...]], ...]], ...] = (
        ("development", DEVELOPMENT),
        ("judged", JUDGED),
    )
    return [
        ListedWorld(dataset, backbone, design, own, _seed(own, (dataset, backbone, design)))
        for own, groups in rows
        if role in (None, own)
        for dataset, backbone, designs in groups
        for design in designs
    ]


def _seed(role: Role, world: tuple[str, str, str]) -> int:
    return OWN_SEEDS.get(world, SEEDS[role]) if role == "judged" else SEEDS[role]


def world_named(name: str) -> ListedWorld:
    """The world. Raises ConfigError for a name that is none."""
    known = {one.name: one for one in listed()}
    if name not in known:
        raise ConfigError(f"expected a world of the distribution, one of {', '.join(known)}, found {name!r}.")
    return known[name]


def unseen_pairs() -> set[tuple[str, str]]:
    """Pairs of data set and backbone that stand among the judged worlds alone."""
    pairs = {role: {(one.dataset, one.backbone) for one in listed(role)} for role in SEEDS}
    return pairs["judged"] - pairs["development"]
