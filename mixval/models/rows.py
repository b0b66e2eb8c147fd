"""Contract columns of a table as plain Python or NumPy values, every surprise named by its row. Needs no torch."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from mixval.errors import ContractError

Messages = list[dict[str, str | None]]
"""A conversation: dicts with `role` and `content`."""


def row_name(rows: pa.Table, index: int) -> str:
    """How a message names a row: its number in the batch, and its id where the data has one."""
    if "id" not in rows.column_names:
        return f"row {index} of the batch"
    return f"row {index} of the batch (id {rows.column('id')[index].as_py()!r})"


def column(rows: pa.Table, name: str) -> pa.ChunkedArray:
    """One contract column, dictionary encoding undone. Raises ContractError when it is absent."""
    if name not in rows.column_names:
        raise ContractError(f"rows need a column {name!r}, found {rows.column_names}. Map it under `source.columns`.")
    values = rows.column(name)
    return values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values


def strings(rows: pa.Table, name: str) -> list[str]:
    """(N,) strings of a column. Raises ContractError at the first null."""
    values: list[str] = column(rows, name).to_pylist()
    for index, value in enumerate(values):
        if not isinstance(value, str):
            found = type(value).__name__
            raise ContractError(f"{row_name(rows, index)}: {name!r} must be a string, found {found}. Drop or fill the row.")
    return values


def prompts(rows: pa.Table) -> list[str | Messages]:
    """(N,) prompts: a string, or a list of messages. Raises ContractError at the first null."""
    values: list[str | Messages] = column(rows, "prompt").to_pylist()
    for index, value in enumerate(values):
        if not isinstance(value, (str, list)):
            raise ContractError(
                f"{row_name(rows, index)}: 'prompt' must be a string or a list of messages, found {type(value).__name__}. "
                "Drop or fill the row."
            )
    return values


def class_indices(rows: pa.Table, classes: Sequence[int] | None, n_classes: int) -> np.ndarray:
    """(N,) int64 class index of each row's label, in [0, n_classes).

    With `classes` (a random initialisation: the sorted labels of T) the index is the label's position there. Without (a
    checkpoint) the label is the index. Raises ContractError for a null label or one that the model has no class for.
    """
    labels = column(rows, "label").to_pylist()
    known = {label: index for index, label in enumerate(range(n_classes) if classes is None else classes)}
    for index, label in enumerate(labels):
        if label not in known:
            raise ContractError(
                f"{row_name(rows, index)}: 'label' must be one of the model's {len(known)} classes "
                f"({_span(list(known))}), found {label!r}. Map the labels, or leave the row out."
            )
    return np.array([known[label] for label in labels], dtype=np.int64)


def _span(labels: list[int]) -> str:
    return ", ".join(map(str, labels)) if len(labels) <= 12 else f"{labels[0]} to {labels[-1]}"
