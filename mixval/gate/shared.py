"""Rows that several contributors have in common.

Letters: K contributors; N rows of all of them. A row is its input digest; each contributor has a row once, since
the gate has dropped repeats.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from mixval.config.gate import GateConfig
from mixval.contracts.outcomes import Finding
from mixval.gate.derive import digest_names
from mixval.gate.engine import inspect
from mixval.gate.findings import expectation_name
from mixval.gate.near import PrintedSet
from mixval.gate.suite import shared_checks
from mixval.gate.words import counted, quoted

PARTNERS_SHOWN = 3
MOST_HELD = 128
"""Rows of a contributor, evenly spread over its printed ones, that are held against each other contributor's."""
MOST_COMPARED = 50
"""Contributors that are held against each other: as many as coalitions are valued of."""


def shared_rows(digests: Mapping[str, np.ndarray], limits: GateConfig) -> dict[str, list[Finding]]:
    """For each contributor, a finding when other contributors also have too many of its rows, else an empty list.

    `digests` maps contributors to (N_k, 16) uint8. The finding's severity is `limits.shared_rows`.
    """
    names = list(digests)
    findings: dict[str, list[Finding]] = {name: [] for name in names}
    if not names:
        return findings
    overlaps, sizes, n_shared = shared_counts([digests[name] for name in names])
    share = np.divide(n_shared, sizes, out=np.full(len(names), np.nan), where=sizes > 0)
    check = shared_checks(limits)[0]
    found = inspect([check], pd.DataFrame({check.column: share}))[0]
    where = [quoted(name) for name in names]
    for at in range(len(names)) if found.error else found.failed:
        partners = _partners(overlaps[at], at, where)
        words = found.error or (
            f"{share[at]:.4g} ({n_shared[at]:,} of {counted(int(sizes[at]), 'row')}), shared with {', '.join(partners)}"
        )
        findings[names[at]].append(
            Finding(
                expectation=expectation_name(check),
                column=check.column,
                severity="reject" if found.error else check.severity,
                count=int(n_shared[at]),
                n_checked=int(sizes[at]),
                samples=partners,
                message=f"contributor {where[at]}: {check.expected}, found {words}. {check.remedy}",
            )
        )
    return findings


def held_prints(prints: np.ndarray) -> np.ndarray:  # (N, D) -> (Q, D)
    """The prints of the rows that are held against other contributors'."""
    return prints[np.unique(np.linspace(0, max(len(prints) - 1, 0), min(len(prints), MOST_HELD)).astype(np.int64))]


def near_copies(
    prints: Mapping[str, np.ndarray],  # (Q_k, D) by `held_prints`
    printed: Mapping[str, PrintedSet | None],
) -> dict[str, dict[str, float]]:
    """Contributor -> other -> share of its rows that repeat one of the other's, exactly or nearly; without shares of 0."""
    found: dict[str, dict[str, float]] = {name: {} for name in prints}
    for other, held in printed.items():
        for name in [name for name in prints if name != other and held is not None]:
            if held is not None and (share := held.near_share(prints[name])):
                found[name][other] = share
    return found


def shared_counts(digests: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(K, K) distinct rows that two contributors share, (K,) distinct rows of each, (K,) of them shared with any other."""
    distinct = [np.unique(digest_names(rows)) for rows in digests]
    sizes = np.array([len(rows) for rows in distinct], dtype=np.int64)
    _, row, holders = np.unique(np.concatenate(distinct), return_inverse=True, return_counts=True)
    owner = np.repeat(np.arange(len(distinct)), sizes)
    is_shared = holders[row] > 1
    n_shared = np.bincount(owner[is_shared], minlength=len(distinct))
    ones = np.ones(int(is_shared.sum()), dtype=np.int64)
    member = csr_array((ones, (owner[is_shared], row[is_shared])), shape=(len(distinct), len(holders)))
    overlaps = (member @ member.T).toarray()
    np.fill_diagonal(overlaps, sizes)
    return overlaps, sizes, n_shared


def _partners(overlap: np.ndarray, at: int, where: list[str]) -> list[str]:
    """The contributors that share most with contributor `at`, most first, each with its rows."""
    order = [other for other in np.argsort(-overlap, kind="stable") if other != at and overlap[other] > 0]
    shown = [f"{where[other]} ({counted(int(overlap[other]), 'row')})" for other in order[:PARTNERS_SHOWN]]
    return shown + ([f"{len(order) - PARTNERS_SHOWN:,} more"] if len(order) > PARTNERS_SHOWN else [])
