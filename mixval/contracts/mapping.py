"""From the data's own columns to the row contract: which columns to read, whether they fit, and the rows they give.

Renames, joins of several columns by a blank line, chat columns split into prompt and response, image structs reduced to
their bytes. Arrow data only, no files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pat

from mixval.config.tasks import ContractColumn, Task, for_column, spec_of
from mixval.contracts.arrow_types import is_text, plain_type, text_array
from mixval.contracts.chats import Refused, prompt_cells, split_chat, with_tools
from mixval.contracts.class_names import ClassNames, class_names, says_nothing
from mixval.contracts.labels import NO_NAMES, TargetClasses, are_integers, read_labels
from mixval.contracts.rows import EMBEDDED, MESSAGES, ORIGIN, accepts, advice, is_chat
from mixval.errors import ConfigError

MISSING: Literal["missing-column"] = "missing-column"
WRONG: Literal["wrong-type"] = "wrong-type"
NAMES_SHOWN, NAME_CHARS = 12, 60
ORIGIN_REMEDY = "by a column `origin`, or for all rows by `source.origin: real` or `synthetic`"
_BLANK_LINE = "\n\n"


@dataclass(frozen=True)
class Mismatch:
    """Why a schema cannot give a contract column."""

    kind: Literal["missing-column", "wrong-type"]
    column: str
    """Contract column."""
    message: str
    """What was expected, what was found."""
    advice: str | None = None
    """What to do, where there is more to say than for any column."""


@dataclass(frozen=True)
class RowMapping:
    """How rows of one task are read. Made by `row_mapping`."""

    sources: tuple[tuple[ContractColumn, tuple[str, ...]], ...]
    """Contract columns with the data's columns that they are made of."""
    chat: str | None
    """The chat column that gives prompt and response, if one does."""
    origin: str | None
    """The data's column with the origin; None when the origin comes from elsewhere."""
    id: str
    """The data's column with the row's name, taken where it is there."""
    classes: TargetClasses = NO_NAMES
    """What the target calls its classes."""
    tools: str | None = None
    """The data's column of functions that may be called, taken where it is there; None where rows are no conversations."""

    def find_mismatch(self, schema: pa.Schema) -> Mismatch | None:
        """The first thing in a shard's schema that does not fit, or None when all fits. All missing columns are one thing."""
        if (found := self._missing(schema)) is not None:
            return found
        for column, names in self.sources:
            for name in names:
                if (found := _lookup(schema, column, name, len(names) > 1, self.chat)) is not None:
                    return found
                if column.kind == "label" and (found := self._unnamed(schema, column, name)) is not None:
                    return found
        for name in filter(None, (self.id, self.tools)):
            if (count := schema.names.count(name)) > 1:
                words = f"column '{name}' is expected once at most, it stands there {count} times"
                return Mismatch(WRONG, name, words, "Rename all but one, or leave them out.")
        if (found := _lookup_tools(schema, self.tools)) is not None or self.origin is None:
            return found
        return _lookup(schema, ORIGIN, self.origin, False, None)

    def _missing(self, schema: pa.Schema) -> Mismatch | None:
        """Two or more contract columns that are not there under their own names, so that all are told at once."""
        absent = [column.name for column, names in self.sources if names == (column.name,) and column.name not in schema.names]
        of_rows = len(absent)
        if self.origin == ORIGIN.name and ORIGIN.name not in schema.names:
            absent.append(ORIGIN.name)
        if len(absent) < 2:
            return None
        words = f"columns {', '.join(absent)} are expected once each, found {column_words(schema.names)}"
        mapped = ", ".join(f"{name}: YOUR_COLUMN" for name in absent[:of_rows])
        remedy = f"Say which of yours they are, as `source.columns: {{{mapped}}}`"
        if of_rows < len(absent):
            remedy += f", and whether rows are real or synthetic: {ORIGIN_REMEDY}"
        return Mismatch(MISSING, absent[0], words, f"{remedy}.")

    def class_names(self, schema: pa.Schema) -> ClassNames:
        """What a shard's schema calls its labels; empty where it does not say, or rows have none."""
        labels = [names[0] for column, names in self.sources if column.kind == "label"]
        return class_names(schema, labels[0]) if labels else ()

    def is_unsaid(self, rows: pa.RecordBatch, own_names: ClassNames) -> bool:
        """Whether labels are integers whose names only this shard or only the target says; `rows` as for `apply`."""
        if self.classes.are_labels or says_nothing(self.classes.names) == says_nothing(own_names):
            return False
        return any(are_integers(rows.column(names[0])) for column, names in self.sources if column.kind == "label")

    def _unnamed(self, schema: pa.Schema, column: ContractColumn, name: str) -> Mismatch | None:
        """Integers beside a target whose labels are names: nothing says which integer is which class."""
        found = plain_type(schema.field(name).type)
        if not self.classes.are_labels or not pat.is_integer(found) or self.class_names(schema):
            return None
        named = ", ".join(self.classes.names[:10]) + (", …" if len(self.classes.names) > 10 else "")
        words = f"column '{name}' must be string, as the target's labels are names ({named}), found {found}"
        return Mismatch(WRONG, column.name, words, "Write the names of the classes as labels.")

    def read_paths(self, schema: pa.Schema) -> list[str]:
        """Parquet column paths to read: of an image struct its `bytes`, and its `path` for messages."""
        names = {name for _, group in self.sources for name in group} | {self.origin, self.id, self.tools} - {None}
        return [path for field in schema if field.name in names for path in _leaves(field, self.chat)]

    def apply(
        self, rows: pa.RecordBatch, origin: str | None, own_names: ClassNames = (), large: Mapping[int, str] | None = None
    ) -> pa.Table:
        """Rows in contract columns, then `origin` (string) and, where the data has it, `id` (string).

        `rows` have plain types (`arrow_types.py`). `origin` is the constant for data without an origin column, `own_names` are
        the shard's `class_names`; `large` says of which rows a cell was left out, and why. Where labels are read from names,
        `label_found` (string) has those that T does not. Where a row can be one that is not read although its types fit,
        `refusal` (string) says why; its cells are null. A chat column
        also gives `answer` (string): the last message as JSON, where it is more than text. Raises `pa.ArrowInvalid` for values
        that do not fit their type: numbers beyond int64, strings that are not UTF-8.
        """
        made: dict[str, pa.Array] = {}
        refused: Refused = dict(large or {})
        from_chat = {column.name for column, names in self.sources if names == (self.chat,)}
        if from_chat:
            made |= split_chat(rows.column(self.chat), from_chat, refused)
        for column, names in self.sources:
            if column.kind == "label":
                made |= self._labels(column.name, rows.column(names[0]), own_names)
            elif column.name not in made:
                made[column.name] = _canonical(column, [rows.column(name) for name in names], refused)
        has_tools = self.tools is not None and self.tools in rows.schema.names
        if has_tools and self.tools is not None:
            made["prompt"] = with_tools(made["prompt"], rows.column(self.tools), refused)
        constant = pa.array([origin] * rows.num_rows, pa.string())
        made["origin"] = constant if self.origin is None else _text(rows.column(self.origin), refused)
        if self.id in rows.schema.names:
            made["id"] = _text(rows.column(self.id), refused)
        refused |= large or {}
        if (
            refused
            or has_tools
            or any(_may_refuse(rows.schema.field(name).type) for _, names in self.sources for name in names)
        ):
            made["refusal"] = pa.array([refused.get(at) for at in range(rows.num_rows)], pa.string())
        return pa.table(made)

    def _labels(self, name: str, labels: pa.Array, own_names: ClassNames) -> dict[str, pa.Array]:
        numbers, strange = read_labels(labels, self.classes, own_names)
        is_plain = pat.is_integer(labels.type) and not self.classes.are_labels
        return {name: numbers} if is_plain else {name: numbers, f"{name}_found": strange}


def row_mapping(
    task: Task,
    columns: Mapping[str, str | Sequence[str]],
    has_origin: bool,
    wanted: Sequence[str] | None = None,
    classes: TargetClasses = NO_NAMES,
) -> RowMapping:
    """The mapping of a configuration. `wanted` limits it to some contract columns; `classes` are the target's.

    Raises `ConfigError` for a column that the task does not have.
    """
    spec = spec_of(task)
    contract = {column.name: column for column in spec.columns}
    allowed = {*contract, ORIGIN.name, "id", *(["messages", "tools"] if spec.has_prompt else [])}
    if unknown := sorted({*columns, *(wanted or ())} - allowed):
        raise ConfigError(
            f"source.columns: expected contract columns of the task {task} ({', '.join(sorted(allowed))}), found "
            f"{', '.join(unknown)}. Left of the colon stands the contract's column, right of it the data's own."
        )
    for name in ("messages", "tools", "origin", "id", "label"):
        if not isinstance(columns.get(name, name), str):
            raise ConfigError(f"source.columns.{name}: expected one column name, found a list. Name one column.")
    chat = columns.get("messages")
    sources = []
    for name, column in contract.items():
        if wanted is not None and name not in wanted:
            continue
        given = columns.get(name, name) if chat is None or name in columns else chat
        sources.append((column, (given,) if isinstance(given, str) else tuple(given)))
    return RowMapping(
        tuple(sources),
        str(chat) if chat is not None else None,
        str(columns.get("origin", "origin")) if has_origin else None,
        str(columns.get("id", "id")),
        classes,
        str(columns.get("tools", "tools")) if "prompt" in {column.name for column, _ in sources} else None,
    )


def column_words(names: Sequence[str]) -> str:
    """Names of columns as a message lists them: the first of many, and the beginning of long ones."""
    shown = [name if len(name) <= NAME_CHARS else f"{name[:NAME_CHARS]}…" for name in names[:NAMES_SHOWN]]
    more = f", … ({len(names):,} in all)" if len(names) > NAMES_SHOWN else ""
    return ", ".join(shown) + more if names else "none"


def _lookup(schema: pa.Schema, column: ContractColumn, name: str, joined: bool, chat: str | None) -> Mismatch | None:
    count = schema.names.count(name)
    of = "" if name == column.name else f", which gives '{column.name}',"
    if count != 1:
        came = f"found {column_words(schema.names)}" if count == 0 else f"it stands there {count} times"
        return Mismatch(MISSING, column.name, f"column '{name}'{of} is expected once, {came}")
    found = schema.field(name).type
    if name == chat:
        fits, expected = is_chat(found) or bool(pat.is_null(found)), MESSAGES
    elif joined:
        fits, expected = is_text(found), "string, to be joined"
    else:
        fits, expected = accepts(column, found), column.expected
    words = f"column '{name}'{of} must be {expected}, found {found}"
    return None if fits else Mismatch(WRONG, column.name, words, advice(column, found))


def _lookup_tools(schema: pa.Schema, name: str | None) -> Mismatch | None:
    if name is None or name not in schema.names:
        return None
    found = plain_type(schema.field(name).type)
    if is_text(found) or (pat.is_list(found) and (is_text(found.value_type) or pat.is_struct(found.value_type))):
        return None
    words = (
        f"column '{name}', the functions that a conversation may call, must be a list of structs, or JSON text, found {found}"
    )
    return Mismatch(WRONG, "tools", words, "Write it so, or under another name if it means something else.")


def _leaves(field: pa.Field, chat: str | None) -> list[str]:
    if field.name == chat or not pat.is_struct(field.type) or field.type.get_field_index("bytes") < 0:
        return [str(field.name)]
    return [f"{field.name}.{part}" for part in ("bytes", "path") if field.type.get_field_index(part) >= 0]


def _may_refuse(found: pa.DataType) -> bool:
    return bool(pat.is_list(found) or pat.is_struct(found))


def _canonical(column: ContractColumn, arrays: list[pa.Array], refused: Refused) -> pa.Array:
    if len(arrays) > 1:
        return _join([_text(array, refused) for array in arrays])
    return for_column(_CELLS, column, "a reader of its cells")(arrays[0], refused)


def _image(array: pa.Array, refused: Refused) -> pa.Array:
    if isinstance(array.type, pa.FixedShapeTensorType):
        return array
    if not pat.is_struct(array.type):
        return array.cast(pa.binary())
    data = pc.struct_field(array, "bytes").cast(pa.binary())
    has_path = array.type.get_field_index("path") >= 0 and is_text(array.type.field("path").type)
    for at in pc.indices_nonzero(pc.and_(array.is_valid(), data.is_null())).to_pylist():
        path = array[at].as_py()["path"] if has_path else None
        found = (
            f"the path {str(path)[:80]!r} alone: files outside of the data are not read" if path else "neither them nor a path"
        )
        refused[at] = f"an image's `bytes` are expected, found {found}. Embed the file: {EMBEDDED}"
    return data


def _text(array: pa.Array, _refused: Refused) -> pa.Array:
    return text_array(array)


def _join(texts: list[pa.Array]) -> pa.Array:
    # Built up in pairs: pyarrow's join with null_handling="skip" drops rows in which everything is null.
    joined = _without_blanks(texts[0])
    for text in map(_without_blanks, texts[1:]):
        both = pc.and_(pc.not_equal(joined, ""), pc.not_equal(text, ""))
        joined = pc.binary_join_element_wise(joined, pc.if_else(both, _BLANK_LINE, ""), text, "")
    absent = pc.is_null(texts[0])
    for text in texts[1:]:
        absent = pc.and_(absent, pc.is_null(text))
    return pc.if_else(absent, pa.scalar(None, pa.string()), joined)


def _without_blanks(text: pa.Array) -> pa.Array:
    blank = pc.equal(pc.utf8_trim_whitespace(text), "")
    return pc.if_else(pc.fill_null(blank, True), "", text)


_CELLS: dict[str, Callable[[pa.Array, Refused], pa.Array]] = {
    "image": _image,
    "text": _text,
    "prompt": lambda array, refused: prompt_cells(array, refused) if pat.is_list(array.type) else _text(array, refused),
}
