"""One training of a study: a model on so many tokens, a share of them synthetic, and its losses on held-out documents.

An artifact of kind `study-training`, named by its texts' streams, shape, recipe, tokens, ratio and seed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from mixval.config.base import FrozenModel
from mixval.config.source import StorageConfig
from mixval.contracts.record import ArtifactRef
from mixval.experiments.study.config import StudyRecipe
from mixval.experiments.study.language_model import make_model, piece_losses, train_on
from mixval.experiments.study.shapes import Shape
from mixval.experiments.study.texts import Stream, read_stream
from mixval.experiments.study.windows import cut, epochs, mixed_order, n_synthetic, n_windows, window_order
from mixval.seeds import derive_seed
from mixval.stages.kept import LastMade
from mixval.stages.resident import pick_device
from mixval.storage.commit import ArtifactStore
from mixval.storage.root import open_location

KIND, VERSION = "study-training", 1
"""The version is raised whenever the numbers change."""
STREAMS = 12
"""Streams that a worker keeps between trainings."""
_HELD = LastMade[Stream](STREAMS)


class Text(FrozenModel):
    """A stream of tokens, by its name and where it is committed."""

    name: str
    """In messages and tables."""
    ref: ArtifactRef


class StudyJob(FrozenModel):
    """One training: small enough to travel."""

    output: str
    storage: StorageConfig
    vocabulary: int
    """Ids that the tokenizer gives."""
    real: Text
    synthetic: Text | None
    """None where there is none in the mixture."""
    held_out: list[Text]
    per_cent: float
    """Synthetic share of the tokens."""
    tokens: int
    """The budget."""
    shape: Shape
    recipe: StudyRecipe
    evaluation_context: int
    replicate: int
    """Its number in messages; not part of the fingerprint, which has the seed."""
    seed: int
    device: str
    """Not part of the fingerprint."""

    @property
    def store(self) -> ArtifactStore:
        """Where the training is committed."""
        return ArtifactStore(open_location(self.output, self.storage))

    @property
    def mixture(self) -> str:
        """`real`, or `33 % rephrased`."""
        return mixture_name("" if self.synthetic is None else self.synthetic.name, self.per_cent)

    @property
    def label(self) -> str:
        """In messages."""
        return f"{self.shape.name}, {self.tokens:,} tokens, {self.mixture}, replicate {self.replicate}"

    @property
    def n_sequences(self) -> int:
        """Sequences of the whole training."""
        return self.tokens // self.recipe.context

    @property
    def n_of_synthetic(self) -> int:
        """Synthetic ones of them."""
        return 0 if self.synthetic is None else n_synthetic(self.n_sequences, self.per_cent)

    @property
    def n_steps(self) -> int:
        """Steps of the optimiser; the last may be smaller."""
        return -(-self.n_sequences // self.recipe.batch_sequences)


def mixture_name(synthetic: str, per_cent: float) -> str:
    """What a mixture is called."""
    return f"{per_cent:g} % {synthetic}" if per_cent else "real"


def study_ref(job: StudyJob) -> ArtifactRef:
    """Where the training is, or will be, committed."""
    return job.store.ref(KIND, VERSION, **_inputs(job))


def train_study(job: StudyJob) -> ArtifactRef:
    """Commit the losses of held-out documents, one row a document. What is there already is returned as it is.

    Raises LostArtifactError where a stream is not there.
    """
    ref, inputs = study_ref(job), _inputs(job)
    if job.store.committed(ref) is not None:
        return ref
    began = time.perf_counter()
    context, device = job.recipe.context, pick_device(job.device)
    model = make_model(job.shape, job.vocabulary, context, derive_seed("study", "weights", job.seed), device)
    real, synthetic = _stream(job, job.real), None if job.synthetic is None else _stream(job, job.synthetic)
    train_on(model, _sequences(job, real, synthetic), job.n_steps, job.recipe)
    tables = [_document_losses(model, job, domain) for domain in job.held_out]
    taken = [(real, job.n_sequences - job.n_of_synthetic)] + ([] if synthetic is None else [(synthetic, job.n_of_synthetic)])
    passes = [epochs(n, n_windows(len(stream.tokens), context)) for stream, n in taken]
    numbers = {
        "n_steps": job.n_steps,
        "n_tokens": job.n_sequences * context,
        "params": job.shape.params,
        "params_with_embedding": job.shape.params_with(job.vocabulary),
        "real_epochs": passes[0],
        "synthetic_epochs": passes[1] if len(passes) > 1 else 0.0,
    }
    took = time.perf_counter() - began
    return job.store.commit(ref, inputs=inputs, numbers=numbers, tables={"losses": pa.concat_tables(tables)}, seconds=took)


def _sequences(job: StudyJob, real: Stream, synthetic: Stream | None) -> Iterator[np.ndarray]:
    """(sequences, context + 1) of each step."""
    n, n_of, context = job.n_sequences, job.n_of_synthetic, job.recipe.context
    is_synthetic = mixed_order(n, n_of, job.seed)
    orders = {False: window_order(n - n_of, n_windows(len(real.tokens), context), job.seed, "real")}
    if synthetic is not None:
        orders[True] = window_order(n_of, n_windows(len(synthetic.tokens), context), job.seed, "synthetic")
    done = {False: 0, True: 0}
    for start in range(0, n, job.recipe.batch_sequences):
        flags = is_synthetic[start : start + job.recipe.batch_sequences]
        batch = np.empty((len(flags), context + 1), dtype=np.int64)
        for flag, stream in ((False, real), (True, synthetic)):
            if (n_own := int(np.count_nonzero(flags == flag))) and stream is not None:
                own = orders[flag][done[flag] : done[flag] + n_own]
                batch[flags == flag] = cut(stream.tokens, own, context)
                done[flag] += n_own
        yield batch


def _document_losses(model: Any, job: StudyJob, domain: Text) -> pa.Table:
    """Nats and tokens of each document of a domain, summed over its pieces."""
    stream = _stream(job, domain)
    pieces, owners = [], []
    for at, (start, length) in enumerate(zip(stream.starts, stream.lengths, strict=True)):
        for first in range(int(start), int(start + length) - 1, job.evaluation_context):
            last = min(first + job.evaluation_context + 1, int(start + length))
            pieces.append(stream.tokens[first:last].astype(np.int64))
            owners.append(at)
    losses = piece_losses(model, pieces, job.recipe)
    n = len(stream.starts)
    return pa.table(
        {
            "domain": [domain.name] * n,
            "document": np.arange(n),
            "n_tokens": np.bincount(owners, [len(one) - 1 for one in pieces], n).astype(np.int64),
            "nats": np.bincount(owners, losses, n),
        }
    )


def _stream(job: StudyJob, text: Text) -> Stream:
    return _HELD.get(f"{job.output} {text.ref.fingerprint}", lambda: read_stream(job.store, text.ref))


def _inputs(job: StudyJob) -> dict[str, Any]:
    return {
        "texts": [job.real.ref.fingerprint, None if job.synthetic is None else job.synthetic.ref.fingerprint],
        "held_out": {one.name: one.ref.fingerprint for one in job.held_out},
        "vocabulary": job.vocabulary,
        "per_cent": job.per_cent,
        "tokens": job.tokens,
        "shape": job.shape.model_dump(mode="json", exclude={"name"}),
        "recipe": job.recipe.model_dump(mode="json"),
        "evaluation_context": job.evaluation_context,
        "seed": job.seed,
        "libraries": {"torch": torch.__version__.partition("+")[0]},
    }
