"""The gate's verdict on one contributor: admitted, trimmed or rejected, each finding with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from mixval.config.gate import GateConfig
from mixval.config.tasks import Task
from mixval.contracts.batches import RowBatch
from mixval.contracts.outcomes import Finding, GateOutcome
from mixval.contracts.parts import REAL, SYNTHETIC
from mixval.contracts.plan import ShardRef
from mixval.errors import ShardError
from mixval.gate.aggregate import contributor_facts
from mixval.gate.derive import TokenCounter
from mixval.gate.engine import inspect
from mixval.gate.extent import Extent
from mixval.gate.findings import row_findings, whole_findings
from mixval.gate.profile import TargetProfile
from mixval.gate.row_suite import Known, row_checks
from mixval.gate.shards import ShardProblem, inspect_shards, listed_problem, read_problem
from mixval.gate.stream import RowStream
from mixval.gate.suite import contributor_checks
from mixval.gate.tally import SuiteTally
from mixval.gate.verdict import decide
from mixval.gate.words import quoted


@dataclass(frozen=True)
class GateCheck:
    """What the gate found, and what later steps need of it."""

    outcome: GateOutcome
    bad_rows: pa.Table
    """(shard_index int32, row int64, reason string): rows that are dropped."""
    digests: np.ndarray
    """(N, 16) uint8: inputs of the admitted rows, for `shared.shared_rows`."""
    prints: np.ndarray
    """(N, D) float16: prints of the first admitted rows, for `shared.near_copies`."""
    validations: list[dict[str, Any]]
    """Great Expectations' results, one per suite (shards, rows, repeats, contributor), JSON-able."""


def check_contributor(
    name: str,
    shards: Sequence[ShardRef],
    batches: Iterable[RowBatch],
    task: Task,
    limits: GateConfig,
    target: TargetProfile,
    count_tokens: TokenCounter | None = None,
    max_length: int | None = None,
    overlong: Literal["truncate", "reject"] = "truncate",
) -> GateCheck:
    """The outcome for one contributor whose rows come as `batches`.

    Bad rows are dropped and counted. Too many of them, too few remaining rows, or one shard that does not fit the row contract
    reject the contributor; rows that could not change that are not read. Bad data raise no error, so other contributors are
    checked all the same. The counts of a rejected contributor are those of the rows that were read. StorageError and other
    failures that are not the data's pass through.
    """
    known = Known(list(target.labels) or None, target.image_size, target.class_names)
    checks = row_checks(task, limits, known, has_tokens=count_tokens is not None, max_length=max_length, overlong=overlong)
    extent = Extent.of(shards)
    most = extent.most_bytes(limits.max_unfolding)
    stream = RowStream(task, limits, checks, target.digests, count_tokens, most_bytes=most, class_names=target.class_names)
    where = f"contributor {quoted(name)}"
    problem, is_whole = listed_problem(shards), True
    if problem is None:
        problem, is_whole = _read(stream, batches, shards, extent)
    shard_suite, findings = inspect_shards(shards, problem, task, limits, where)
    names = [shard.name for shard in shards]
    findings += row_findings(stream.rows, where, names) + row_findings(stream.repeats, where, names)
    suites = [shard_suite, stream.rows, stream.repeats]
    if problem is None:
        whole, refusals = _check_whole(stream, extent, is_whole, where)
        suites, findings = [*suites, whole], [*refusals, *findings]
    return GateCheck(
        outcome=_outcome(name, shards, stream, findings, target),
        bad_rows=stream.bad_rows(),
        digests=stream.digests(),
        prints=stream.prints(),
        validations=[suite.validation(name) for suite in suites if suite.checks],
    )


def _read(
    stream: RowStream, batches: Iterable[RowBatch], shards: Sequence[ShardRef], extent: Extent
) -> tuple[ShardProblem | None, bool]:
    """Runs the rows through the stream, up to the first shard that breaks the contract, which comes first, or until what was
    read rejects the contributor; whether all rows were read comes second."""
    index: int | None = None
    is_decided = extent.is_decided(stream)
    try:
        for batch in batches:
            if is_decided:
                return None, False
            index = batch.shard_index
            stream.add(batch)
            index = None
            is_decided = extent.is_decided(stream)
    except ShardError as error:
        return read_problem(error, shards, index), False
    return None, True


def _check_whole(stream: RowStream, extent: Extent, is_whole: bool, where: str) -> tuple[SuiteTally, list[Finding]]:
    """The contributor's suite on its row of figures, and its findings."""
    frame, found = contributor_facts(stream, extent, is_whole)
    suite = SuiteTally("contributor", stream.limits.samples_kept)
    suite.add(inspect(contributor_checks(stream.task, stream.limits), frame), frame, np.zeros(1, dtype=np.int64))
    return suite, whole_findings(suite, where, found)


def _outcome(
    name: str, shards: Sequence[ShardRef], stream: RowStream, findings: list[Finding], target: TargetProfile
) -> GateOutcome:
    # A stream that stopped at a broken shard has not seen every row; the footers of shared files count others' rows.
    by_footer = sum(shard.n_rows for shard in shards if shard.rows_of is None)
    n_dropped = stream.n_rows - stream.n_left
    verdict, reason = decide(findings, n_dropped)
    return GateOutcome(
        contributor=name,
        verdict=verdict,
        n_rows=max(stream.n_rows, by_footer),
        n_real=stream.n_parts[REAL],
        n_synthetic=stream.n_parts[SYNTHETIC],
        n_dropped=n_dropped,
        n_repeats=stream.n_repeats,
        n_in_target=stream.n_in_target,
        n_truncated=stream.n_truncated,
        findings=findings,
        near_target=None if target.printed is None else target.printed.near_share(stream.prints()),
        class_names_unsaid=stream.names_unsaid,
        origin_denied=stream.origin_denied,
        reason=reason,
    )
