"""Arrays at a location, as safetensors: no code in the file, one header, raw little-endian values."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from mixval.errors import StorageError
from mixval.storage.root import Location

_HEADER_BYTES = 8
_METADATA_KEY = "mixval"


def encode_tensors(tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> bytes:
    """The safetensors file with these arrays, of any shape and numeric type. The same arrays give the same bytes."""
    for name, array in tensors.items():
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
            kind = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
            raise StorageError(
                f"tensor {name!r}: expected a numeric NumPy array, found {kind}. Convert it, e.g. by `.numpy()`."
            )
    # The encoder takes memory as it lies: transposed and strided arrays are laid out first, 0-d ones kept so.
    plain = {name: np.array(tensors[name], order="C", copy=None) for name in sorted(tensors)}
    # One key alone, since the encoder's order of several is not fixed.
    words = {_METADATA_KEY: json.dumps(dict(metadata), sort_keys=True)} if metadata else None
    return bytes(safetensors.numpy.save(plain, metadata=words))


def write_tensors(location: Location, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> None:
    """Writes the arrays, and words about them, as one whole object."""
    location.write_bytes(encode_tensors(tensors, metadata))


def read_tensors(location: Location, names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """The arrays by name, writable; all, or those in `names`. Raises `StorageError` for a missing name or damaged file."""
    try:
        if path := location.local_path():
            with location.guard("read tensors"), safe_open(path, framework="numpy") as file:
                present = set(file.keys())
                _require(location, names, present)
                return {name: _writable(file.get_tensor(name)) for name in sorted(names or present)}
        loaded = safetensors.numpy.load(location.read_bytes())
    except SafetensorError as error:
        raise _damaged(location, str(error)) from error
    _require(location, names, set(loaded))
    return {name: _writable(loaded[name]) for name in sorted(names or loaded)}


def read_metadata(location: Location) -> dict[str, str]:
    """The words that were written with the arrays; only the header is read."""
    with location.guard("read tensors"), location.open() as file:
        try:
            (length,) = struct.unpack("<Q", file.read(_HEADER_BYTES))
            header = json.loads(file.read(min(length, location.size())))
            return dict(json.loads(header.get("__metadata__", {}).get(_METADATA_KEY, "{}")))
        except (struct.error, ValueError, AttributeError) as error:
            raise _damaged(location, str(error)) from error


def _writable(array: np.ndarray) -> np.ndarray:
    return array if array.flags.writeable else array.copy()


def _require(location: Location, names: Sequence[str] | None, present: set[str]) -> None:
    if missing := sorted(set(names or ()) - present):
        raise StorageError(
            f"{location.url}: expected tensors {', '.join(missing)}, found {', '.join(sorted(present)) or 'none'}. Ask for one "
            "of those, or delete the artifact so that it is made again."
        )


def _damaged(location: Location, found: str) -> StorageError:
    return StorageError(f"{location.url}: expected a safetensors file, found a damaged one ({found}). Delete it and run again.")
