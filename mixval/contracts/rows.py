"""Cells of the row contract: the Arrow types that a shard may have for them. A task's columns are in its spec."""

from collections.abc import Callable

import pyarrow as pa
import pyarrow.types as pat

from mixval.config.tasks import ContractColumn, for_column
from mixval.contracts.arrow_types import is_binary, is_text, plain_type
from mixval.contracts.messages import CONTENT_KEYS, ROLE_KEYS

MESSAGE = pa.struct([("role", pa.string()), ("content", pa.string()), ("more", pa.string())])
"""A message of a conversation; `more` is a JSON object of what it says besides text (`messages.py`)."""
ORIGIN = ContractColumn("origin", "string", is_input=False, kind="text", example="origin (real or synthetic)")
"""Columns of every task, besides its own."""
MESSAGES = "list of messages, each a struct of `role` and `content` (or `from` and `value`)"
EMBEDDED = '`row["image"] = {"bytes": open(path, "rb").read()}`'
"""How a file that is named by its path becomes part of the data."""
CHANNELS = (1, 3, 4)
"""Channels that an image may have: grey, RGB, RGBA."""


def accepts(column: ContractColumn, found: pa.DataType) -> bool:
    """Whether a shard's Arrow type can serve as this contract column. Raises ConfigError for a kind that has no type.

    The null type of a column in which nothing stands serves as any: its cells are null.
    """
    fits = for_column(_FITS, column, "an Arrow type")
    plain = plain_type(found)
    return bool(pat.is_null(plain)) or fits(plain)


def is_chat(found: pa.DataType) -> bool:
    """Whether it is a list of messages: structs with a role and a content, in either spelling."""
    plain = plain_type(found)
    if not pat.is_list(plain):
        return False
    if not pat.is_struct(plain.value_type):
        return bool(pat.is_null(plain.value_type))
    names = {field.name for field in plain.value_type}
    return not names.isdisjoint(ROLE_KEYS) and not names.isdisjoint(CONTENT_KEYS)


def advice(column: ContractColumn, found: pa.DataType) -> str:
    """What to do about a type that does not fit, in a sentence."""
    plain = plain_type(found)
    told = [words for kind, is_so, words in _ADVICE if kind == column.kind and is_so(plain)]
    return told[0] if told else "Convert it, or leave the shard out of the catalogue."


def _is_label(found: pa.DataType) -> bool:
    return bool(pat.is_integer(found) or pat.is_boolean(found)) or is_text(found)


def _is_prompt(found: pa.DataType) -> bool:
    return is_chat(found) or is_text(found)


def _is_image(found: pa.DataType) -> bool:
    if isinstance(found, pa.FixedShapeTensorType):
        pixels = bool(pat.is_uint8(found.value_type) or pat.is_floating(found.value_type))
        return pixels and len(found.shape) == 3 and _logical_shape(found)[2] in CHANNELS
    if pat.is_struct(found):
        return any(field.name == "bytes" and is_binary(field.type) for field in found)
    return is_binary(found)


def _logical_shape(found: pa.FixedShapeTensorType) -> list[int]:
    order = found.permutation or range(len(found.shape))
    return [found.shape[axis] for axis in order]


_FITS: dict[str, Callable[[pa.DataType], bool]] = {
    "image": _is_image,
    "label": _is_label,
    "text": is_text,
    "prompt": _is_prompt,
}
_ADVICE: tuple[tuple[str, Callable[[pa.DataType], bool], str], ...] = (
    (
        "image",
        lambda found: isinstance(found, pa.FixedShapeTensorType) and len(found.shape) == 3,
        "Write pixels as uint8 or floats, height, width and channels in this order: where channels come first, transpose it.",
    ),
    ("image", pat.is_list, "Write nested lists as PNG bytes, or as a fixed-shape (height, width, channels) tensor of uint8."),
    ("image", pat.is_struct, f"Embed the files, in each row: {EMBEDDED}."),
    ("image", is_text, f"If these are paths, embed the files, in each row: {EMBEDDED}."),
    (
        "label",
        pat.is_floating,
        'Write labels as integers, in pandas `table["label"].astype("Int64")`, which holds missing ones, too.',
    ),
    ("prompt", pat.is_list, "Name the fields of its structs `role` and `content`."),
    ("prompt", is_text, "If this is JSON, write it as a list of structs."),
    ("text", pat.is_list, "Join its items to one text, or name a chat column as `messages` in `source.columns`."),
)
