"""Cost of a backbone a row, measured on a few rows of the target: bytes of gradients and activations, seconds, features.

Measured once for each backbone and choice of parameters, then committed; the plan multiplies it by the rows.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from mixval.config.base import FrozenModel
from mixval.config.tasks import spec_of
from mixval.contracts.record import ArtifactRef
from mixval.stages.jobs import MeasureJob

if TYPE_CHECKING:
    import torch

VERSION = 5
PROBE_ROWS = 4
ROWS_SEARCHED = 256
"""First rows of T, where they are texts, among which the longest is taken."""
MEASURED_TOKENS = 256
"""Length up to which activations are measured, where no row searched is longer; beyond it they follow from two lengths."""
_WEIGHT, _NOTE = "weight_bytes/", "note/"
"""Before a weight's name, or a note's kind, among a record's numbers."""


class Footprint(FrozenModel):
    """Sizes and times of one backbone with the NTK's parameters chosen."""

    n_parameters: int
    """Parameters chosen for the NTK."""
    model_bytes: int
    """All parameters, in the backbone's precision."""
    n_dimensions: int
    """Features of a row."""
    weight_bytes: dict[str, int]
    """Gradients of one row by weight, in the form that they are stored in, in the order of the backward pass."""
    activation_bytes: int
    """Most that a gradient pass keeps of one row beside its gradients, in the worker's own memory: 0 on a GPU. Of a text of
    as many tokens as a row may have, see `of_longest`."""
    forward_seconds_per_row: float
    """One forward pass, on the machine that planned."""
    gradient_seconds_per_row: float
    """One forward and backward pass with capture, on the machine that planned."""
    is_alone: bool = False
    """Whether rows go through the backbone one by one, whatever `runtime.batch_rows` says."""
    notes: dict[str, str] = Field(default_factory=dict)
    """What a run must say of the backbone, see `Backbone.notes`."""

    def seconds(self, n_forward: int, n_gradient: int) -> float:
        """Projected seconds of one worker's passes over these rows."""
        return self.forward_seconds_per_row * n_forward + self.gradient_seconds_per_row * n_gradient


def probe_footprint(job: MeasureJob) -> Footprint:
    """The footprint of the job's backbone, from a few rows of the job's contributor (the target)."""
    ref = footprint_ref(job)
    if (record := job.store.committed(ref)) is not None:
        return _from_numbers(record.numbers)
    footprint = _probe(job)
    job.store.commit(ref, inputs=_inputs(job), numbers=_to_numbers(footprint))
    return footprint


def footprint_ref(job: MeasureJob) -> ArtifactRef:
    """Where the footprint is, or will be, committed."""
    return job.store.ref("footprint", VERSION, **_inputs(job))


def _inputs(job: MeasureJob) -> dict[str, object]:
    return job.model_key() | {"task": job.task, "parameters": sorted(job.ntk.parameters), "features": job.discrepancy.features}


def _to_numbers(footprint: Footprint) -> dict[str, Any]:
    """Flat, as a record has them."""
    numbers = footprint.model_dump()
    sizes, notes = numbers.pop("weight_bytes"), numbers.pop("notes")
    named = {_WEIGHT + name: size for name, size in sizes.items()}
    return numbers | named | {_NOTE + kind: note for kind, note in notes.items()}


def _from_numbers(numbers: Mapping[str, Any]) -> Footprint:
    sizes = {name.removeprefix(_WEIGHT): size for name, size in numbers.items() if name.startswith(_WEIGHT)}
    notes = {name.removeprefix(_NOTE): note for name, note in numbers.items() if name.startswith(_NOTE)}
    plain = {name: number for name, number in numbers.items() if not name.startswith((_WEIGHT, _NOTE))}
    return Footprint.model_validate(plain | {"weight_bytes": sizes, "notes": notes})


def _probe(job: MeasureJob) -> Footprint:
    import torch

    from mixval.models.probes import require_independent_rows
    from mixval.stages.forward import pass_with_features
    from mixval.stages.resident import resident_backbone
    from mixval.stages.rows import first_rows
    from mixval.terms.ntk.kernel import weight_bytes
    from mixval.terms.ntk.kinds import select_parameters

    backbone = resident_backbone(job)
    rows = first_rows(job, backbone.rows_a_pass(min(PROBE_ROWS, job.batch_rows)))
    require_independent_rows(backbone, backbone.encode(rows))
    with torch.inference_mode():
        batch = backbone.encode(rows)
        started = time.perf_counter()
        _, compared = pass_with_features(backbone, rows, batch, job.discrepancy.features)
        _finish(backbone.device)
        forward_seconds = time.perf_counter() - started

    def scalar(batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return backbone.output(backbone.forward(batch), batch, job.ntk.output)

    started = time.perf_counter()
    sizes = weight_bytes(backbone.module, select_parameters(backbone.module, job.ntk.parameters), scalar, backbone.encode(rows))
    _finish(backbone.device)
    gradient_seconds = time.perf_counter() - started
    # Images are all brought to one size, and 256 of them may be large in memory.
    longest = rows.slice(0, 1) if spec_of(job.task).is_image else longest_row(first_rows(job, ROWS_SEARCHED))
    kept = 0
    if backbone.device.type == "cpu":
        batch = backbone.encode(longest)
        found = _n_tokens(batch)
        # Images have no tokens, and how many positions an own module has is not known: its rows are as long as T's.
        limit = backbone.max_length if found and job.backbone.module is None else found

        def measured(n_tokens: int) -> int:
            row = of_length(batch, n_tokens)
            return activation_bytes(backbone.module, lambda: weight_bytes(backbone.module, list(sizes), scalar, row))

        kept = of_longest(measured, found, limit)
    return Footprint(
        n_parameters=sum(backbone.module.get_parameter(name).numel() for name in sizes),
        model_bytes=sum(p.numel() * p.element_size() for p in backbone.module.parameters()),
        n_dimensions=compared.shape[1],
        weight_bytes=sizes,
        activation_bytes=kept,
        forward_seconds_per_row=forward_seconds / rows.num_rows,
        gradient_seconds_per_row=gradient_seconds / rows.num_rows,
        is_alone=backbone.is_alone,
        notes=dict(backbone.notes),
    )


def longest_row(rows: pa.Table) -> pa.Table:
    """The row with the most bytes: its texts have about the most tokens, and a batch is padded to its longest row."""
    sizes = np.zeros(rows.num_rows, dtype=np.int64)
    for column in rows.columns:
        if any(is_kind(column.type) for is_kind in (pa.types.is_string, pa.types.is_large_string)):
            sizes += np.asarray(pc.fill_null(pc.binary_length(column), 0), dtype=np.int64)
    return rows.slice(int(sizes.argmax()), 1)


def of_longest(measured: Callable[[int], int], found: int, limit: int) -> int:
    """Bytes of a row of `limit` tokens, by `measured` bytes of a row of so many; the longest one searched has `found`.

    Contributors' rows may be longer than T's, and no footer says how long. Beyond `MEASURED_TOKENS` the bytes are taken as
    a n + b n^2, those of layers and of attention, from n and n / 2: a long row could take all the memory that is to be planned.
    """
    longer = min(limit, max(found, MEASURED_TOKENS))
    whole = measured(longer)
    if longer == limit:
        return whole
    half = longer // 2
    squared = max(0.0, (whole / longer - measured(half) / half) / (longer - half))
    return math.ceil((whole / longer - squared * longer) * limit + squared * limit**2)


def of_length(batch: Mapping[str, torch.Tensor], n_tokens: int) -> dict[str, torch.Tensor]:
    """The batch with its tokens repeated or cut to `n_tokens`; one without tokens, as of images, as it is."""
    now = _n_tokens(batch)
    if now in (0, n_tokens):
        return dict(batch)
    times = -(-n_tokens // now)
    return {
        name: value.repeat(1, times)[:, :n_tokens] if value.ndim == 2 and value.shape[1] == now else value
        for name, value in batch.items()
    }


def _n_tokens(batch: Mapping[str, torch.Tensor]) -> int:
    return int(batch["input_ids"].shape[1]) if "input_ids" in batch else 0


def activation_bytes(module: torch.nn.Module, gradient_pass: Callable[[], object]) -> int:
    """Bytes that a gradient pass through the module keeps at most, beside its weights: what autograd saves for the backward
    pass, and twice the largest part of it for the gradients on the way. For language models that part is the logits of all
    tokens."""
    import torch

    weights = {tensor.untyped_storage().data_ptr() for tensor in (*module.parameters(), *module.buffers())}
    kept: dict[int, int] = {}

    def save(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()  # views of one storage count once
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor):
        gradient_pass()
    return sum(kept.values()) + 2 * max(kept.values(), default=0)


def _finish(device: Any) -> None:
    """Wait until a GPU has finished: its calls return at once."""
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)
