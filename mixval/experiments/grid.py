"""The trainings of a grid: steps that a `Maker` makes side by side, each found again where it was made before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mixval.errors import ContractError
from mixval.progress import current
from mixval.stages.steps import Step
from mixval.stages.whole_run import Maker

STAGE = "training"


@dataclass(frozen=True)
class Trainings:
    """How many trainings a run took."""

    n_trained: int
    n_found: int


def train_all(steps: Sequence[Step], maker: Maker) -> Trainings:
    """Make the trainings that are missing, in the order in which they are given.

    Raises ContractError with the reason of the first that failed; the others are kept, and the next run goes on from them.
    """
    return make_stage(STAGE, "trainings", steps, maker)


def make_stage(stage: str, noun: str, steps: Sequence[Step], maker: Maker) -> Trainings:
    """The same of another stage's steps, which the noun names."""
    current().begin(stage, len(steps))
    missing = [step for step in steps if not step.is_done]
    for step in steps:
        if step not in missing:
            current().step(stage, f"{step.label.removeprefix(f'{stage} ')}: reused")
    reason = maker.make_all(stage, missing) if missing else None
    if reason is not None:
        n_absent = sum(not step.is_done for step in missing)
        raise ContractError(
            f"{stage}: expected {len(steps)} {noun}, found {n_absent} missing; the first that failed: {reason} Those "
            "that succeeded are kept. Mend the cause and run again: it goes on from them."
        )
    found = Trainings(len(missing), len(steps) - len(missing))
    current().end(stage, f"{found.n_trained} made, {found.n_found} reused")
    return found
