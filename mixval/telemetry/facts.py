"""What a run tells of itself, in a form that neither metrics nor lineage give: data read and written, checks, numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from mixval.contracts.sealed import content_sha256

MOST_DATASETS = 1_000
"""Files that an event names one by one. Beyond, a contributor's files are one dataset, whose version is a digest of theirs."""
Role = Literal["contributors", "target", "deliveries", "documents"]


@dataclass(frozen=True)
class Check:
    """One check of a dataset, and whether it was met."""

    name: str
    """As Great Expectations calls it."""
    passed: bool
    column: str | None = None
    blocks: bool = True
    """Whether it keeps rows or the contributor out."""


@dataclass(frozen=True)
class DataUsed:
    """A file, folder or table that was read or written."""

    url: str
    version: str
    """Its digest, or a table's version."""
    role: Role | Literal["results", "table"]
    contributor: str = ""
    n_rows: int | None = None
    n_bytes: int | None = None
    n_files: int = 1
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True)
class Valued:
    """What a run says of one contributor or delivery."""

    name: str
    outcome: str
    """Verdict, or what becomes of a delivery."""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    rank: int | None = None
    rule: str = ""


Sample = tuple[Mapping[str, str], float]
"""Labels and number."""


@dataclass(frozen=True)
class Facts:
    """All that a run tells."""

    run_id: str = ""
    """Of the published run; empty where none was."""
    is_new: bool = True
    """Whether this run published it, and did not find it up to date."""
    headline: str = ""
    inputs: Sequence[DataUsed] = ()
    outputs: Sequence[DataUsed] = ()
    samples: Mapping[str, Sequence[Sample]] = field(default_factory=dict)
    """Metric of `metrics.py` -> its samples."""
    valued: Sequence[Valued] = ()


def bounded(files: Sequence[DataUsed]) -> list[DataUsed]:
    """The files themselves, or one dataset a contributor where there are more than `MOST_DATASETS`."""
    if len(files) <= MOST_DATASETS:
        return list(files)
    grouped: dict[tuple[str, str], list[DataUsed]] = {}
    for one in files:
        grouped.setdefault((one.role, one.contributor), []).append(one)
    return [_together(group) for group in grouped.values()]


def _together(files: Sequence[DataUsed]) -> DataUsed:
    first = files[0]
    return DataUsed(
        url=first.url.rpartition("/")[0],
        version=content_sha256("\n".join(one.version for one in files).encode()),
        role=first.role,
        contributor=first.contributor,
        n_rows=_sum(one.n_rows for one in files),
        n_bytes=_sum(one.n_bytes for one in files),
        n_files=sum(one.n_files for one in files),
        checks=first.checks,
    )


def totals(files: Iterable[DataUsed]) -> dict[str, list[Sample]]:
    """Files, rows and bytes by role, as samples."""
    summed: dict[str, list[int]] = {}
    for one in files:
        of_role = summed.setdefault(one.role, [0, 0, 0])
        for place, number in enumerate((one.n_files, one.n_rows or 0, one.n_bytes or 0)):
            of_role[place] += number
    names = ("mixval_input_files", "mixval_input_rows", "mixval_input_bytes")
    return {
        name: [({"role": role}, float(numbers[place])) for role, numbers in summed.items()] for place, name in enumerate(names)
    }


def _sum(numbers: Iterable[int | None]) -> int:
    return sum(number or 0 for number in numbers)
