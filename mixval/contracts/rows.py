"""Cells of the row contract: the Arrow types that a shard may have for them. A task's columns are in its spec."""

from collections.abc import Callable

import pyarrow as pa
import pyarrow.types as pat

from mixval.config.tasks import ContractColumn, for_column

MESSAGE = pa.struct([("role", pa.string()), ("content", pa.string())])
ORIGIN = ContractColumn("origin", "string", is_input=False, kind="text", example="origin (real or synthetic)")
"""Columns of every task, besides its own."""


def accepts(column: ContractColumn, found: pa.DataType) -> bool:
    """Whether a shard's Arrow type can serve as this contract column. Raises ConfigError for a kind that has no type."""
    plain = found.value_type if pat.is_dictionary(found) else found
    return for_column(_FITS, column, "an Arrow type")(plain)


def _is_label(found: pa.DataType) -> bool:
    return bool(pat.is_integer(found))


def _is_text(found: pa.DataType) -> bool:
    return bool(pat.is_string(found) or pat.is_large_string(found))


def _is_prompt(found: pa.DataType) -> bool:
    return bool(pat.is_struct(found.value_type)) if pat.is_list(found) else _is_text(found)


def _is_image(found: pa.DataType) -> bool:
    if isinstance(found, pa.FixedShapeTensorType):
        return bool(pat.is_uint8(found.value_type) or pat.is_floating(found.value_type)) and len(found.shape) == 3
    if pat.is_struct(found):
        return any(field.name == "bytes" and _is_binary(field.type) for field in found)
    return _is_binary(found)


def _is_binary(found: pa.DataType) -> bool:
    return bool(pat.is_binary(found) or pat.is_large_binary(found))


_FITS: dict[str, Callable[[pa.DataType], bool]] = {
    "image": _is_image,
    "label": _is_label,
    "text": _is_text,
    "prompt": _is_prompt,
}
