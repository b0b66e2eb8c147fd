"""Stored evidence: results of worlds, with their studies and attacks.

    FOLDER/WORLD/results.json     every ranking against truth (`mixval/evidence/results.py`)
    FOLDER/WORLD/ablation.json    what each switch does to a ranking (`studies/results.py`)
    FOLDER/WORLD/stability.json   how few rows give the same one (`studies/results.py`)
    FOLDER/WORLD/attacks.json     what attacks gain (`attacks/results.py`)

A world may lack any of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.evidence.attacks.results import WorldAttacks, read_all_attacks
from benchmarks.evidence.studies.results import AblationResult, StabilityResult, read_ablations, read_stabilities
from mixval.evidence.results import WorldResult, read_results, stored_results
from mixval.storage.root import Location


@dataclass(frozen=True)
class Studies:
    """Studies and attacks, each by world."""

    ablations: list[AblationResult] = field(default_factory=list)
    stabilities: list[StabilityResult] = field(default_factory=list)
    attacks: list[WorldAttacks] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.ablations or self.stabilities or self.attacks)

    def __add__(self, other: Studies) -> Studies:
        """Both, these first."""
        return Studies(self.ablations + other.ablations, self.stabilities + other.stabilities, self.attacks + other.attacks)


def read_evidence(folders: Sequence[Location]) -> tuple[list[WorldResult], Studies]:
    """All worlds and studies below these folders, in their order, by world.

    Raises ContractError for no world with results, a folder that holds neither results nor studies, or a file that is none.
    """
    found, studies = list[WorldResult](), Studies()
    for folder in folders:
        own = read_studies(folder)
        found += stored_results(folder) if own else read_results(folder)
        studies += own
    return found or read_results(folders[0]), studies


def read_studies(folder: Location) -> Studies:
    """All studies below `folder`. Raises ContractError for a file that is none."""
    return Studies(read_ablations(folder), read_stabilities(folder), read_all_attacks(folder))
