"""The worlds of the distribution: data set, backbone, design and seed, and what each may be used for.

`development`: a ranking method may be shaped on these worlds. `judged`: on these it is judged, and nothing is chosen by them.
They differ in their draws, and three designs (`few-large`, `near-copies`, `families`) and four pairs of data set and backbone
stand among the judged ones alone (`UNSEEN_DESIGNS`, `unseen_pairs`).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.evidence.distribution.backbones import KINDS, BackboneKind
from mixval.errors import ConfigError

Role = Literal["development", "judged"]
ROLES: tuple[Role, ...] = ("development", "judged")
UNSEEN_DESIGNS = ("few-large", "near-copies", "families")
Group = tuple[str, str, dict[str, int]]
"""Data set, backbone, and design -> seed of its draw."""
DEVELOPMENT: tuple[Group, ...] = (
    ("lm", "small-lm", {"truncation": 101, "mixtures": 102}),
    ("sentiment", "minilm", {"noise": 101, "mixtures": 101, "truncation": 102, "shift": 103, "compound": 104}),
    ("cifar10", "efficientnet", {"compound": 101, "shift": 101, "noise": 102, "truncation": 103, "mixtures": 104}),
    ("instruction", "small-lm", {"noise": 101, "mixtures": 103}),
    ("cifar10", "resnet", {"noise": 101, "truncation": 101, "mixtures": 102}),
    ("sentiment", "ngrams", {"truncation": 101, "noise": 103, "mixtures": 104}),
    ("reasoning", "small-lm-long", {"mixtures": 101}),
    ("instruction", "smollm2", {"noise": 101}),
)
JUDGED: tuple[Group, ...] = (
    ("sentiment", "minilm", {"families": 301, "near-copies": 302, "shift": 303, "few-large": 210, "compound": 211}),
    ("cifar10", "efficientnet", {"families": 304, "few-large": 305, "near-copies": 306, "noise": 307}),
    ("cifar100", "efficientnet", {"truncation": 308, "noise": 309, "mixtures": 310}),
    ("sentiment", "ngrams", {"noise": 201, "compound": 312}),
    ("cifar10", "resnet", {"families": 206, "shift": 207}),
    ("cifar10", "patches", {"noise": 214}),
    ("lm", "small-lm", {"families": 202, "few-large": 203, "mixtures": 215}),
    ("instruction", "small-lm", {"families": 204, "mixtures": 205}),
    ("reasoning", "small-lm-long", {"near-copies": 208, "noise": 209}),
    ("sentiment", "minilm-whole", {"mixtures": 213}),
    ("lm", "smollm2", {"noise": 212}),
    ("instruction", "smollm2", {"mixtures": 216}),
)
"""A design draws sizes and amounts by its seed alone, so worlds of one seed have them in the same order. Each judged world has
a seed of its own."""


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
    rows: tuple[tuple[Role, tuple[Group, ...]], ...] = (("development", DEVELOPMENT), ("judged", JUDGED))
    return [
        ListedWorld(dataset, backbone, design, own, seed)
        for own, groups in rows
        if role in (None, own)
        for dataset, backbone, designs in groups
        for design, seed in designs.items()
    ]


def world_named(name: str) -> ListedWorld:
    """The world. Raises ConfigError for a name that is none."""
    known = {one.name: one for one in listed()}
    if name not in known:
        raise ConfigError(f"expected a world of the distribution, one of {', '.join(known)}, found {name!r}.")
    return known[name]


def development_worlds(parser: argparse.ArgumentParser, names: Sequence[str], what: str) -> list[ListedWorld]:
    """The worlds by these names. Ends the command line where one is judged: `what` is chosen on others."""
    found = [world_named(name) for name in names]
    if judged := [one.name for one in found if one.role != "development"]:
        parser.error(f"{what} are chosen on development worlds, found {', '.join(judged)}")
    return found


def unseen_pairs() -> set[tuple[str, str]]:
    """Pairs of data set and backbone that stand among the judged worlds alone."""
    pairs = {role: {(one.dataset, one.backbone) for one in listed(role)} for role in ROLES}
    return pairs["judged"] - pairs["development"]
