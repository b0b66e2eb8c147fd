"""Contributors made of a pool of rows, so that an altered contributor costs only its new rows.

Letters: K contributors; N rows of one; P distinct rows of all tables; q sketch features.

The quantities of a row (losses, features, sketched gradients) depend on that row alone, so they are computed once for each
distinct row, by input and label. Numbers are those of `Inputs`, except that the exact NTKs of Eq. 8 are replaced by
inner products of sketches (`benchmarks/sketch_error.py` measures what that changes).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch

from benchmarks.evidence.worlds.inputs import sketched_values
from mixval.config.tasks import Task, spec_of
from mixval.contracts.digests import input_digest, row_identity
from mixval.errors import ContractError
from mixval.evidence.baselines import forward_pass, row_gradients
from mixval.evidence.baselines.inputs import Contributor, Inputs, Labels, Sides
from mixval.evidence.baselines.product import ProductValues
from mixval.models.outputs import OutputKind
from mixval.seeds import generator
from mixval.stages.rows import in_batches
from mixval.terms.arrays import Floats

Places = np.ndarray
"""(N,) int64: where a contributor's rows stand in the pool."""


def row_names(table: pa.Table, task: Task) -> list[bytes]:
    """(N,) what names a row: its inputs and, where it has one, its label."""
    inputs = [table[name].to_pylist() for name in spec_of(task).inputs]
    labels = table["label"].to_pylist() if "label" in table.column_names else [None] * table.num_rows
    return [row_identity(input_digest(row), label, "") for *row, label in zip(*inputs, labels, strict=True)]


def _lengths(table: pa.Table, task: Task) -> np.ndarray:  # (N,)
    """Characters, or bytes, of a row's inputs."""
    columns = [
        [len(value) if isinstance(value, (str, bytes)) else len(str(value)) for value in table[name].to_pylist()]
        for name in spec_of(task).inputs
    ]
    return np.asarray(np.array(columns).sum(0))


@dataclass(frozen=True)
class RowPool:
    """Distinct rows of many tables, and where each stands."""

    rows: Inputs
    """One contributor, `pool`, who holds them all."""
    places: Mapping[bytes, int]

    @classmethod
    def of(cls, inputs: Inputs, more: Iterable[pa.Table] = ()) -> RowPool:
        """The pool of the contributors' rows and of other tables, short texts first: batches of one length are not padded."""
        places: dict[bytes, int] = {}
        pieces: list[pa.Table] = []
        for table in (*(one.table for one in inputs.contributors), *more):
            names = row_names(table, inputs.task)
            fresh = [at for at, name in enumerate(names) if name not in places and places.setdefault(name, len(places)) >= 0]
            pieces.append(table.take(pa.array(fresh, pa.int64())))
        whole = pa.concat_tables(pieces, promote_options="default").combine_chunks()
        order = np.argsort(_lengths(whole, inputs.task), kind="stable")
        ranks = np.argsort(order)
        held = [Contributor("pool", whole.take(pa.array(order)))]
        pool = Inputs(inputs.task, held, inputs.target, inputs.backbone, inputs.budget)
        return cls(pool, {name: int(ranks[at]) for name, at in places.items()})

    def world(self, contributors: Mapping[str, pa.Table]) -> PooledInputs:
        """Contributors whose rows all stand in the pool. Raises ContractError for a row that does not."""
        rows, names = self.rows, list(contributors)
        places = tuple(self._found(name, contributors[name]) for name in names)
        held = [Contributor(name, contributors[name]) for name in names]
        return PooledInputs(
            task=rows.task,
            contributors=held,
            target=rows.target,
            backbone=rows.backbone,
            budget=rows.budget,
            pool=rows,
            places_of=places,
        )

    def _found(self, name: str, table: pa.Table) -> Places:
        found = [self.places.get(row, -1) for row in row_names(table, self.rows.task)]
        if found and min(found) < 0:
            raise ContractError(
                f"contributor {name!r}: expected rows of the pool, found {found.count(-1)} that it lacks. Give their table to "
                "`RowPool.of`."
            )
        return np.array(found, dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class PooledInputs(Inputs):
    """A world whose quantities are picked from a pool's."""

    pool: Inputs
    places_of: tuple[Places, ...]
    """(K,)."""

    def passes(self) -> Sides[forward_pass.Pass]:
        """As of `Inputs`."""
        found = self.pool.passes()
        whole = found.contributors[0]
        columns = (whole.losses, whole.counts, whole.probabilities, whole.features)
        return Sides([forward_pass.Pass(*(one[at] for one in columns)) for at in self.places_of], found.target)

    def labels(self) -> Sides[Labels]:
        """As of `Inputs`."""
        found = self.pool.labels()
        return Sides([found.contributors[0][at] for at in self.places_of], found.target)

    def gradients(self, kind: OutputKind, seed: int = 0, checkpoint: int | None = None) -> Sides[row_gradients.Sketch]:
        """As of `Inputs`."""
        found = self.pool.gradients(kind, seed, checkpoint)
        return Sides([found.contributors[0][at] for at in self.places_of], found.target)

    def valued(self) -> ProductValues:
        """Of altered rows, which lie in no source."""
        return sketched_values(self)

    def outputs(self) -> list[Floats]:
        """(N,) the own label's logit, f of Eq. 8, by contributor."""
        whole = self.pool.ledger.take("outputs", lambda: _outputs(self.pool))
        return [whole[at] for at in self.places_of]

    def grams(self, seed: int = 0) -> list[row_gradients.Gram]:
        """Inner products of sketched gradients over at most `gram_rows` of each contributor, in random order."""
        sketches = self.gradients("logit", seed).contributors
        return [self._gram(*one, seed) for one in zip(self.contributors, sketches, self.outputs(), strict=True)]

    def _gram(self, one: Contributor, sketch: row_gradients.Sketch, outputs: Floats, seed: int) -> row_gradients.Gram:
        order = generator("baselines", "gram", seed, one.name).permutation(one.n_rows)[: self.budget.gram_rows]
        rows = sketch[order].astype(np.float64)
        return row_gradients.Gram(rows @ rows.T, outputs[order])


@torch.inference_mode()
def _outputs(pool: Inputs) -> Floats:
    """(P,) f of all rows of the pool."""
    backbone, found = pool.backbone, []
    for piece in in_batches(pool.contributors[0].table, pool.budget.batch_rows):
        batch = backbone.encode(piece)
        found.append(backbone.output(backbone.forward(batch), batch, "logit").double().cpu().numpy())
    return np.concatenate(found)
