"""The row contract: which columns a shard must bring for each task, and of which Arrow types."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.types as pat

from mixval.config.base import Task

MESSAGE = pa.struct([("role", pa.string()), ("content", pa.string())])


@dataclass(frozen=True)
class ContractColumn:
    """One column of the contract."""

    name: str
    expected: str
    """The type in words, for error messages."""
    is_input: bool
    """Whether it is part of what makes two rows the same row (duplicates, overlap with the target)."""


CONTRACTS: dict[Task, tuple[ContractColumn, ...]] = {
    "image-classification": (
        ContractColumn("image", "image: binary PNG/JPEG, a struct with `bytes`, or a (H, W, C) uint8 tensor", True),
        ContractColumn("label", "integer", False),
    ),
    "text-classification": (ContractColumn("text", "string", True), ContractColumn("label", "integer", False)),
    "instruction": (
        ContractColumn("prompt", "string or list of messages", True),
        ContractColumn("response", "string", True),
    ),
    "language-modelling": (ContractColumn("text", "string", True),),
}


def accepts(column: ContractColumn, found: pa.DataType) -> bool:
    """Whether a shard's Arrow type can serve as this contract column."""
    if pat.is_dictionary(found):
        found = found.value_type
    if column.name == "label":
        return bool(pat.is_integer(found))
    if column.name == "image":
        return _is_image(found)
    if column.name == "prompt" and pat.is_list(found):
        return bool(pat.is_struct(found.value_type))
    return bool(pat.is_string(found) or pat.is_large_string(found))


def _is_image(found: pa.DataType) -> bool:
    if isinstance(found, pa.FixedShapeTensorType):
        return bool(pat.is_uint8(found.value_type) or pat.is_floating(found.value_type)) and len(found.shape) == 3
    if pat.is_struct(found):
        return any(field.name == "bytes" and _is_binary(field.type) for field in found)
    return _is_binary(found)


def _is_binary(found: pa.DataType) -> bool:
    return bool(pat.is_binary(found) or pat.is_large_binary(found))
