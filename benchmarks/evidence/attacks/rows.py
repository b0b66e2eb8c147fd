"""Attacks on whole rows: rows are copied in, repeated, left out, or declared to be what they are not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from benchmarks.evidence.attacks.attack import AttackerView, counted, joined, seen, taken
from benchmarks.evidence.worlds.disguise import disguised
from benchmarks.evidence.worlds.spoiling import replaced
from mixval.contracts.parts import REAL, SYNTHETIC
from mixval.evidence.baselines import forward_pass

FEWEST_LEFT = 2
"""Rows that are never left out."""


def copy_target(table: pa.Table, sight: AttackerView, strength: float, random: np.random.Generator) -> pa.Table:
    """Own rows and rows of T as they stand there: `strength` times as many as own ones, T at most."""
    return joined(table, _of_target(table, sight, strength, random))


def copy_target_altered(table: pa.Table, sight: AttackerView, strength: float, random: np.random.Generator) -> pa.Table:
    """The same, each copy altered so that it hashes differently."""
    return joined(table, disguised(_of_target(table, sight, strength, random), sight.task, random))


def copy_other(table: pa.Table, sight: AttackerView, strength: float, random: np.random.Generator) -> pa.Table:
    """Own rows and the donor's best, real ones before synthetic ones: `strength` times as many as own ones, all at most."""
    return joined(table, _of_donor(table, sight, strength, random))


def copy_other_altered(table: pa.Table, sight: AttackerView, strength: float, random: np.random.Generator) -> pa.Table:
    """The same, each copy altered so that it hashes differently."""
    return joined(table, disguised(_of_donor(table, sight, strength, random), sight.task, random))


def pad_duplicates(table: pa.Table, _: AttackerView, strength: float, random: np.random.Generator) -> pa.Table:
    """Own rows, and a share of them once more: all of them at strength 1, so that n doubles."""
    return joined(table, _own_again(table, strength, random))


def pad_altered(table: pa.Table, sight: AttackerView, strength: float, random: np.random.Generator) -> pa.Table:
    """The same, each repeat altered so that it hashes differently."""
    return joined(table, disguised(_own_again(table, strength, random), sight.task, random))


def drop_hard(table: pa.Table, sight: AttackerView, strength: float, _: np.random.Generator) -> pa.Table:
    """Own rows without the share whose loss under the backbone is highest."""
    dropped = min(counted(strength, table), table.num_rows - FEWEST_LEFT)
    return taken(table, np.sort(hardest_first(table, sight)[max(dropped, 0) :]))


def overstate_real(table: pa.Table, _: AttackerView, strength: float, random: np.random.Generator) -> pa.Table:
    """The same rows, a share of the synthetic ones declared real."""
    return _declared(table, REAL, strength, random)


def overstate_synthetic(table: pa.Table, _: AttackerView, strength: float, random: np.random.Generator) -> pa.Table:
    """The same rows, a share of the real ones declared synthetic."""
    return _declared(table, SYNTHETIC, strength, random)


def _declared(table: pa.Table, origin: str, strength: float, random: np.random.Generator) -> pa.Table:
    origins = table["origin"].to_pylist()
    others = np.flatnonzero([one != origin for one in origins])
    for at in random.permutation(others)[: round(strength * len(others))]:
        origins[at] = origin
    return replaced(table, "origin", origins)


def hardest_first(table: pa.Table, sight: AttackerView) -> np.ndarray:  # (N,) int64 places
    """Rows by their mean loss under the backbone, the highest first."""
    found = forward_pass.run(seen(sight.backbone), table, sight.batch_rows)
    return np.argsort(-found.losses / np.maximum(found.counts, 1), kind="stable")


def _of_target(table: pa.Table, sight: AttackerView, strength: float, random: np.random.Generator) -> pa.Table:
    target = seen(sight.target)
    return taken(target, random.permutation(target.num_rows)[: counted(strength, table, target.num_rows)])


def _of_donor(table: pa.Table, sight: AttackerView, strength: float, random: np.random.Generator) -> pa.Table:
    donor = seen(sight.donor)
    order = random.permutation(donor.num_rows)
    is_synthetic = np.array([origin != REAL for origin in donor["origin"].to_pylist()])
    order = order[np.argsort(is_synthetic[order], kind="stable")]
    return taken(donor, order[: counted(strength, table, donor.num_rows)])


def _own_again(table: pa.Table, strength: float, random: np.random.Generator) -> pa.Table:
    return taken(table, random.permutation(table.num_rows)[: counted(strength, table)])
