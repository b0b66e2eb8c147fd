"""Arrow's many encodings of one kind of value, and the plain one of each.

Writers choose them by themselves: Polars views and list views, `datasets` large lists and extensions, pandas dictionaries,
pyarrow the null type for a column in which nothing stands. Many of Arrow's own functions do not take all of them.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pat


def plain_type(found: pa.DataType) -> pa.DataType:
    """The same kind of value as string, binary, list or struct, whatever its encoding. Tensors of a fixed shape stay such."""
    if isinstance(found, pa.BaseExtensionType):
        return found if isinstance(found, pa.FixedShapeTensorType) else plain_type(found.storage_type)
    if pat.is_dictionary(found) or pat.is_run_end_encoded(found):
        return plain_type(found.value_type)
    if any(kind(found) for kind in _LISTS):
        return pa.list_(plain_type(found.value_type))
    if pat.is_struct(found):
        return pa.struct([pa.field(field.name, plain_type(field.type)) for field in found])
    return next((plain for plain, kinds in _PLAIN.items() if any(kind(found) for kind in kinds)), found)


def plain_array(array: pa.Array) -> pa.Array:
    """The array in its `plain_type`."""
    target = plain_type(array.type)
    if isinstance(array.type, pa.BaseExtensionType) and not isinstance(array.type, pa.FixedShapeTensorType):
        array = array.storage
    if pat.is_run_end_encoded(array.type):
        array = pc.run_end_decode(array)
    if pat.is_dictionary(array.type):
        words = plain_array(array.dictionary)  # Arrow decodes no dictionary of views
        array = pa.DictionaryArray.from_arrays(array.indices, words).dictionary_decode()
    if array.type == target:
        return array
    if "list_view" in str(array.type):  # Arrow's own cast of some of them leaves out the last offset
        return pa.array(array.to_pylist(), target)
    try:
        return array.cast(target)
    except pa.ArrowNotImplementedError:  # an encoding within another
        return pa.array(array.to_pylist(), target)


def text_array(array: pa.Array) -> pa.Array:
    """The array as strings. Raises `pa.ArrowInvalid` for those that are not UTF-8, and `pa.ArrowException` for what is no text.

    Neither Parquet nor a cast guarantees UTF-8; other strings would fail far from here, wherever they become Python's.
    """
    text = plain_array(array).cast(pa.string())
    text.validate(full=True)
    return text


def plain_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with every column in its `plain_type`."""
    return pa.RecordBatch.from_arrays([plain_array(column) for column in batch.columns], names=batch.schema.names)


def is_text(found: pa.DataType) -> bool:
    """Whether it is a string, or nothing at all."""
    plain = plain_type(found)
    return bool(pat.is_string(plain) or pat.is_null(plain))


def is_binary(found: pa.DataType) -> bool:
    """Whether it is bytes, or nothing at all."""
    plain = plain_type(found)
    return bool(pat.is_binary(plain) or pat.is_null(plain))


_PLAIN = {
    pa.string(): (pat.is_large_string, pat.is_string_view),
    pa.binary(): (pat.is_large_binary, pat.is_binary_view),
}
_LISTS = (pat.is_list, pat.is_large_list, pat.is_list_view, pat.is_large_list_view, pat.is_fixed_size_list)
