"""Noise and domain shifts on a table of rows: which columns each task's faults fall on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pyarrow as pa

from benchmarks.evidence.worlds.design import ImageShift, Planting, TextShift
from benchmarks.evidence.worlds.faults import cut_answers, flip_labels, shuffle_words, swap_answers
from benchmarks.evidence.worlds.shifts import shift_image, shift_text
from mixval.config.tasks import Task, spec_of
from mixval.errors import ContractError


@dataclass(frozen=True)
class Spoiler:
    """Spoils rows of one task."""

    task: Task
    classes: Sequence[Any]
    """All labels of the real pool; unused where rows have none."""

    def spoil(self, rows: pa.Table, chosen: np.ndarray, planting: Planting, random: np.random.Generator) -> pa.Table:
        """The rows, those at `chosen` (M,) with a wrong label, a spoilt response, or their words shuffled."""
        if not len(chosen):
            return rows
        if "label" in rows.column_names:
            labels = flip_labels(rows["label"].to_numpy(), chosen, self.classes, random)
            return replaced(rows, "label", labels.tolist())
        if spec_of(self.task).has_prompt:
            spoil = swap_answers if planting.answer_noise == "swapped" else cut_answers
            return replaced(rows, "response", spoil(rows["response"].to_pylist(), chosen))
        return replaced(rows, "text", shuffle_words(rows["text"].to_pylist(), chosen, random))

    def shift(self, rows: pa.Table, planting: Planting, random: np.random.Generator) -> pa.Table:
        """The rows, every one under the contributor's domain shift."""
        if planting.shift == 0:
            return rows
        for name in spec_of(self.task).inputs:
            kind = rows.schema.field(name).type
            if not (pa.types.is_binary(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)):
                raise ContractError(f"a domain shift needs {name!r} as binary or string, found {kind}. Cast it, or plant none.")
            rows = replaced(rows, name, [self._shifted(value, planting, random) for value in rows[name].to_pylist()])
        return rows

    def _shifted(self, value: Any, planting: Planting, random: np.random.Generator) -> Any:
        if spec_of(self.task).is_image:
            return shift_image(value, cast("ImageShift", planting.shift_kind), planting.shift)
        return shift_text(value, cast("TextShift", planting.shift_kind), planting.shift, random)


def replaced(rows: pa.Table, name: str, values: Sequence[Any]) -> pa.Table:
    """The rows with another column of that name, of the same type."""
    at = rows.column_names.index(name)
    return rows.set_column(at, rows.schema.field(at), pa.array(values, rows.schema.field(at).type))
