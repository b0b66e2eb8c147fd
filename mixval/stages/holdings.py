"""What a version of a table holds, as sums: read, updated by the rows that were appended, or summed anew file by file.

    versions that append         the batches appended are added: a delivery's own statistics, or those of a file that somebody
                                 else appended, measured alone
    versions that rearrange      change nothing
    versions that take rows      (deletions, overwrites, restores) everything is added anew, from the statistics that are stored
                                 of each delivery and file; those that are missing are measured

Holdings of the version before the one that a sum was made from are discarded: any can be made again from the batches.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mixval.config.valuation import ValuationConfig
from mixval.contracts.parts import PARTS
from mixval.contracts.record import ArtifactRef
from mixval.errors import LostArtifactError, ShapeError
from mixval.lake.table import LakeTable, TableFile
from mixval.stages.held_batches import Batch, Make, settings_of, stored_batch
from mixval.stages.jobs import MeasureJob
from mixval.stages.preparing import PreparedRun
from mixval.stages.steps import make_here
from mixval.stages.table_files import measure_file
from mixval.valuation.held_rows import HeldRows
from mixval.valuation.marginal import Estimated
from mixval.valuation.regression_coalitions import SolvedCoalition
from mixval.valuation.summed_rows import SampledSums

VERSION = 1
"""Raised whenever the sums change."""
REMEMBERED = 8
"""Batches of a contributor, the last ones, that its next one is compared with."""
KIND = "holdings"
"""Of their artifacts."""
TOLD = "holdings.json"
ROWS = "rows"


@dataclass
class Known:
    """What was computed of rows that are held, to be computed once."""

    worth: Estimated | None = None
    """Of the rows by themselves."""
    union: SolvedCoalition | None = None
    """The same rows, as they were valued before the last batch of them was held."""
    with_batch: tuple[str, SolvedCoalition] | None = None
    """The rows with those of the batch that was valued last, and its name. Only of a batch none of whose rows are held."""


@dataclass(frozen=True)
class Holdings:
    """Sums over the rows of one version of a table."""

    version: int | None
    """None before there is a table."""
    parts: dict[str, SampledSums] = field(default_factory=dict)
    """By part; a part without rows is left out."""
    rows: HeldRows = field(default_factory=lambda: HeldRows.of(np.zeros(0, dtype=np.uint64)))
    """Which rows are held, by content."""
    recent: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Contributor -> names of its last batches, oldest first."""
    notes: tuple[str, ...] = ()
    """How these were made, where it was not by addition, and what was found meanwhile; sentences."""
    known: Known = field(default_factory=Known, compare=False, repr=False)
    """What was computed of these rows."""

    @property
    def n_rows(self) -> int:
        """Rows, without those that the gate would leave out."""
        return sum(one.admitted for one in self.parts.values())

    def with_batch(self, batch: Batch) -> Holdings:
        """With the rows of a batch, of the same version."""
        own = batch.parts()
        both = {part: self.parts[part] + own[part] for part in PARTS if part in self.parts and part in own}
        recent = dict(self.recent)
        if batch.contributor is not None:
            names = [name for name in recent.get(batch.contributor, []) if name != batch.name]
            recent[batch.contributor] = [*names, batch.name][-REMEMBERED:]
        name, union = self.known.with_batch or (None, None)
        known = Known(union=union if name == batch.name else None)
        return replace(self, parts=self.parts | own | both, rows=self.rows + batch.rows, recent=recent, known=known)


def holdings_at(
    config: ValuationConfig, prepared: PreparedRun, table: LakeTable, version: int | None, make: Make = make_here
) -> Holdings:
    """What this version holds. Committed once a version; None, before there is a table, holds nothing.

    `config` is the valuation of the gate (`IngestionConfig.valuing`), `prepared` its plan, for T, model and sketch. Raises
    ContractError for a file of the table whose rows cannot be read as the row contract says, and StorageError.
    """
    if version is None:
        return Holdings(None)
    target = prepared.target_job
    ref = _ref(config, target, table, version)
    if (found := _committed(target, ref)) is not None:
        return found
    maker = _Maker(config, prepared, table, version, make)
    base = maker.base()
    grown = None if base is None else maker.grown(base)
    made = grown if isinstance(grown, Holdings) else maker.anew(grown)
    made = replace(made, notes=(*made.notes, *maker.told))
    keep_holdings(config, prepared, table, made)
    return made


def keep_holdings(config: ValuationConfig, prepared: PreparedRun, table: LakeTable, made: Holdings) -> None:
    """Commit what a version of the table holds, unless it is there, and discard all but the newest holdings before it."""
    if made.version is None:
        raise ShapeError("holdings of no table are not stored: expected a version, found none. Take those of a table.")
    target = prepared.target_job
    if target.store.committed(_ref(config, target, table, made.version)) is None:
        commit_holdings(config, target, table, made)
        _discard_before(config, target, table, made.version)


@dataclass(frozen=True)
class _Maker:
    config: ValuationConfig
    prepared: PreparedRun
    table: LakeTable
    version: int
    make: Make
    told: list[str] = field(default_factory=list)
    """What somebody should know of files that were measured."""

    def base(self) -> Holdings | None:
        """The newest stored holdings before this version."""
        target = self.prepared.target_job
        stored = (_committed(target, ref) for ref in _stored_before(self.config, target, self.table, self.version))
        return next((one for one in stored if one is not None), None)

    def grown(self, base: Holdings) -> Holdings | str:
        """The base with what was appended since; or why that is not enough, in words."""
        changes = self.table.changes(int(base.version or 0), self.version)
        if changes is None:
            return f"its log no longer says what changed since version {base.version}"
        rows = [change for change in changes if not change.rearranges]
        if taken := [change for change in rows if change.removed]:
            return f"version {taken[0].version} took rows away, or restored an older version"
        found = replace(base, version=self.version, notes=())
        for change in rows:
            for batch in self._batches(change.added):
                found = found.with_batch(batch)
        return found

    def anew(self, why: str | None) -> Holdings:
        """The sum over all files of this version."""
        found, files = Holdings(self.version), self.table.files(self.version)
        for batch in self._batches(files):
            found = found.with_batch(batch)
        if why is None:
            return found
        note = f"The holdings of version {self.version} were summed anew from its {len(files):,} files, since {why}."
        return replace(found, notes=(note,))

    def _batches(self, files: Sequence[TableFile]) -> Iterator[Batch]:
        """What these files hold: deliveries that are there whole, and files by themselves."""
        deliveries: dict[str, list[TableFile]] = {}
        for file in files:
            deliveries.setdefault(file.delivery or "", []).append(file)
        for digest, own in deliveries.items():
            batch = stored_batch(self.prepared.target_job, self.config.sample, digest) if digest else None
            if batch is not None and batch.n_rows == sum(file.n_rows for file in own):
                yield batch
                continue
            for file in own:
                alone = measure_file(self.config, self.prepared, self.table.url, file, self.make, self.told.append)
                if alone is not None:
                    yield alone


def _ref(config: ValuationConfig, target: MeasureJob, table: LakeTable, version: int) -> ArtifactRef:
    settings = settings_of(target, config.sample)
    return target.store.ref(KIND, VERSION, table=table.identity(), of_version=version, settings=settings)


def _committed(target: MeasureJob, ref: ArtifactRef) -> Holdings | None:
    if target.store.committed(ref) is None:
        return None
    try:
        told, arrays = target.store.read_json(ref, TOLD), target.store.read_tensors(ref)
    except LostArtifactError:  # told where it was found; it is made again
        return None
    below = {part: _below(arrays, f"{part}/") for part in (*PARTS, ROWS)}
    return Holdings(
        version=told["version"],
        parts={part: SampledSums.from_arrays(below[part]) for part in PARTS if below[part]},
        rows=HeldRows.from_arrays(below[ROWS]),
        recent=told["recent"],
        notes=tuple(told["notes"]),
    )


def commit_holdings(config: ValuationConfig, target: MeasureJob, table: LakeTable, made: Holdings) -> None:
    """Commit these as what their version of the table holds. Raises ShapeError for those of no version."""
    if made.version is None:
        raise ShapeError("holdings of no table are not stored: expected a version, found none. Take those of a table.")
    told: dict[str, Any] = {"version": made.version, "recent": dict(made.recent), "notes": list(made.notes)}
    tensors = {f"{part}/{name}": array for part, one in made.parts.items() for name, array in one.to_arrays().items()}
    tensors |= {f"{ROWS}/{name}": array for name, array in made.rows.to_arrays().items()}
    target.store.commit(
        _ref(config, target, table, made.version),
        inputs={"table": table.url, "version": made.version},
        tensors=tensors,
        documents={TOLD: json.dumps(told, sort_keys=True).encode()},
        numbers={"n_rows": made.n_rows},
    )


def _stored_before(config: ValuationConfig, target: MeasureJob, table: LakeTable, version: int) -> list[ArtifactRef]:
    """Stored holdings of versions before this one, the newest first, however long ago that was."""
    versions = {record.inputs.get("version") for record in target.store.records(KIND)}
    before = sorted((one for one in versions if isinstance(one, int) and one < version), reverse=True)
    refs = (_ref(config, target, table, one) for one in before)
    return [ref for ref in refs if target.store.committed(ref) is not None]  # others are another table's, or other settings'


def _discard_before(config: ValuationConfig, target: MeasureJob, table: LakeTable, version: int) -> None:
    """Discard all but the newest holdings before this version: two versions' remain."""
    for ref in _stored_before(config, target, table, version)[1:]:
        target.store.discard(ref)


def _below(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
