"""The gate stage: profile the target, check each contributor against it, compare contributors with each other."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from mixval.config.valuation import ValuationConfig
from mixval.contracts.batches import RowBatch, merged
from mixval.contracts.labels import TargetClasses
from mixval.contracts.outcomes import GateOutcome
from mixval.contracts.plan import ContributorPlan, ShardRef
from mixval.contracts.record import ArtifactRecord, ArtifactRef
from mixval.errors import ChangedFileError, ShardError, TargetError
from mixval.gate.check import GateCheck, check_contributor
from mixval.gate.docs import render_page
from mixval.gate.near import PrintedSet, as_arrays, from_arrays, printed_set
from mixval.gate.profile import TargetProfile, profile_target
from mixval.gate.shared import held_prints
from mixval.models import tokenise
from mixval.models.architecture import context_tokens
from mixval.models.identity import tokenizer_identity
from mixval.models.tokenise import TokenCounts
from mixval.models.tokenizers import token_counter
from mixval.stages.jobs import bad_rows_ref
from mixval.storage.commit import ArtifactStore
from mixval.storage.root import open_location
from mixval.storage.shards import named_classes, source_of_target, stream_rows

VERSION = 9
"""Raised whenever the verdicts, or what is stored of them, change."""

DOCS_PAGE = "data-docs.html"


def open_store(config: ValuationConfig) -> ArtifactStore:
    """Where the run's artifacts are committed."""
    return ArtifactStore(open_location(config.output, config.source.storage))


def profile(config: ValuationConfig, shards: list[ShardRef]) -> tuple[ArtifactRef, TargetProfile]:
    """The target's labels and row digests, committed once a target. Raises `TargetError` when T cannot serve."""
    store = open_store(config)
    config = config.model_copy(update={"source": source_of_target(shards, config.source)})
    is_resized = config.backbone.image_size is not None
    ref = store.ref(
        "target-profile",
        VERSION,
        **_source_key(config),
        target=_content(shards),
        limits=config.gate,
        is_resized=is_resized,
        text=_text_key(config),
    )
    if store.whole(ref) is not None:
        return ref, TargetProfile.from_arrays(store.read_tensors(ref))
    try:
        classes = named_classes(shards, config.source, config.task)
    except ShardError as error:
        raise TargetError(f"target: {str(error).rstrip('.')}. Correct source.target: T must be complete.") from error
    batches = _batches(config, shards, classes)
    found = profile_target(batches, config.task, config.gate, shards, _counter(config), is_resized, classes)
    store.commit(ref, inputs=_source_key(config), tensors=found.to_arrays(), numbers={"n_rows": found.n_rows})
    return ref, found


def gate_ref(config: ValuationConfig, contributor: ContributorPlan, target: ArtifactRef) -> ArtifactRef:
    """Where the contributor's check is, or will be, committed."""
    return open_store(config).ref(
        "gate",
        VERSION,
        **_source_key(config),
        name=contributor.name,
        content=contributor.digest,
        problems=[shard.problem for shard in contributor.shards],
        target=target.fingerprint,
        limits=config.gate,
        text=_text_key(config),
    )


def found_whole(config: ValuationConfig, ref: ArtifactRef) -> ArtifactRecord | None:
    """The record of a committed check that is whole with the bad rows it names; None where it is to be made, perhaps again."""
    store = open_store(config)
    record = store.whole(ref)
    if record is None or not record.numbers["n_dropped"]:
        return record
    bad = read_outcome(config, ref).bad_rows
    if bad is None or store.whole(bad_rows_ref(config, bad)) is not None:
        return record
    store.discard(ref)  # the rows are found by checking again
    return None


def gate_contributor(config: ValuationConfig, contributor: ContributorPlan, target: ArtifactRef) -> ArtifactRef:
    """Commit the check of one contributor: outcome, bad rows, row digests, validations, Data Docs page."""
    store = open_store(config)
    ref = gate_ref(config, contributor, target)
    if store.committed(ref) is not None:
        return ref
    started = time.perf_counter()
    profiled = TargetProfile.from_arrays(store.read_tensors(target))
    check = check_contributor(
        contributor.name,
        contributor.shards,
        _batches(config, contributor.shards, profiled.classes),
        config.task,
        config.gate,
        profiled,
        count_tokens=_counter(config),
        max_length=context_tokens(config.backbone) if _counts_tokens(config) else None,
        overlong=config.backbone.overlong,
    )
    if gate_ref(config, contributor, target) != ref:
        raise ChangedFileError(
            f"contributor {contributor.name!r}: expected the tokenizer that its check began with, found another one at its "
            "end. Nothing is kept of the check. Leave its files alone during a run, and run again."
        )
    outcome = check.outcome.model_copy(update={"bad_rows": _commit_bad_rows(store, check)})
    documents = {
        "outcome.json": outcome.model_dump_json(indent=1).encode(),
        "validations.json": json.dumps(check.validations, sort_keys=True).encode(),
    }
    if config.gate.data_docs:
        documents[DOCS_PAGE] = render_page(contributor.name, check.validations)
    store.commit(
        ref,
        inputs={"content": contributor.digest, "target": target.fingerprint},
        tensors={
            "digests": check.digests,
            "queries": held_prints(check.prints),
            **as_arrays(printed_set(check.prints)),
        },
        documents=documents,
        numbers={"n_rows": outcome.n_rows, "n_dropped": outcome.n_dropped, "verdict": outcome.verdict},
        seconds=time.perf_counter() - started,
    )
    return ref


def read_outcome(config: ValuationConfig, ref: ArtifactRef) -> GateOutcome:
    """The outcome that a gate artifact holds."""
    return open_store(config).read_model(ref, "outcome.json", GateOutcome)


def read_digests(config: ValuationConfig, ref: ArtifactRef) -> np.ndarray:
    """(N, 16) uint8: digests of the contributor's admitted rows."""
    return open_store(config).read_tensors(ref)["digests"]


def read_prints(config: ValuationConfig, ref: ArtifactRef) -> tuple[np.ndarray, PrintedSet | None]:
    """(Q, D) prints of some of a contributor's rows, and the set of all that were printed."""
    arrays = open_store(config).read_tensors(ref)
    return arrays["queries"], from_arrays(arrays)


def read_validations(config: ValuationConfig, ref: ArtifactRef) -> list[dict[str, Any]]:
    """Great Expectations' results that a gate artifact holds."""
    validations: list[dict[str, Any]] = open_store(config).read_json(ref, "validations.json")
    return validations


def read_docs_page(config: ValuationConfig, ref: ArtifactRef) -> bytes:
    """The Data Docs page that a gate artifact holds, when the configuration asks for one."""
    return open_store(config).read_document(ref, DOCS_PAGE)


def _text_key(config: ValuationConfig) -> dict[str, object] | None:
    """What determines how texts become tokens, by content where it lies in a folder, and how many of them a row may have."""
    if not _counts_tokens(config):
        return None
    backbone = config.backbone
    named = {name: getattr(backbone, name) for name in ("path", "revision", "max_length", "overlong", "prompt_format")}
    return named | {"tokenizer": tokenizer_identity(backbone), "version": tokenise.VERSION}


def _batches(config: ValuationConfig, shards: list[ShardRef], classes: TargetClasses) -> Iterator[RowBatch]:
    """Great Expectations pays by the batch, so row groups are joined up to the configured size."""
    rows = stream_rows(shards, config.source, config.task, config.gate.batch_rows, classes=classes)
    return merged(rows, config.gate.batch_rows)


def _counts_tokens(config: ValuationConfig) -> bool:
    return config.task_spec.is_text


def _counter(config: ValuationConfig) -> Callable[[pa.Table], TokenCounts] | None:
    return token_counter(config.backbone, config.task) if _counts_tokens(config) else None


def _commit_bad_rows(store: ArtifactStore, check: GateCheck) -> str | None:
    table: pa.Table = check.bad_rows
    if table.num_rows == 0:
        return None
    rows = list(zip(table["shard_index"].to_pylist(), table["row"].to_pylist(), strict=True))
    ref = store.ref("bad-rows", VERSION, rows=sorted(rows))
    if store.whole(ref) is None:
        store.commit(ref, inputs={"n": len(rows)}, tables={"bad_rows": table})
    return ref.fingerprint


def _source_key(config: ValuationConfig) -> dict[str, object]:
    source = config.source
    reading = [source.storage.max_cell_bytes, source.storage.max_decoding_bytes]
    return {"task": config.task, "columns": source.columns, "origin": source.origin, "reading": reading, **source.naming_key()}


def _content(shards: list[ShardRef]) -> list[tuple[str, str]]:
    return sorted((shard.name, shard.digest) for shard in shards)
