"""Bombs: small files that take gigabytes, or hours, once they are decoded. Each is one contributor's shard of some task."""

from __future__ import annotations

import bz2
import gzip
import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

MB = 1 << 20
SIDE = 8192
MESSAGE = pa.struct([("role", pa.string()), ("content", pa.string())])


@dataclass(frozen=True)
class Bomb:
    """A shard that is larger than it looks."""

    task: str
    """`text`, `image` or `chat`: of which world it is a contributor."""
    ending: str
    make: Callable[[Path], None]
    """Writes the file."""
    verdict: str = "rejected"
    """Of the gate; `trimmed` where one bad row is among good ones."""


def _parquet(table: pa.Table) -> Callable[[Path], None]:
    return lambda file: pq.write_table(table, file, compression="zstd", store_schema=False, dictionary_pagesize_limit=1 << 30)


def _arrow(*batches: pa.RecordBatch) -> Callable[[Path], None]:
    def write(file: Path) -> None:
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        with pa.ipc.new_file(str(file), batches[0].schema, options=options) as writer:
            for batch in batches:
                writer.write_batch(batch)

    return write


def _repeated(value: str, n: int) -> pa.Array:
    """One value, `n` times by dictionary."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array([value]))


def _texts(text: pa.Array) -> pa.Table:
    return pa.table({"text": text, "origin": _repeated("real", len(text))})


def _batch(text: pa.Array) -> pa.RecordBatch:
    return pa.record_batch({"text": text, "origin": pa.array(["real"] * len(text))})


def _good_texts(n: int) -> list[str]:
    return [f"an honest sentence with the number {at} in it" for at in range(n)]


def dictionary(file: Path) -> None:
    """A string of 1 MB, 16,384 times by dictionary: 16 GiB in some 500 bytes."""
    _parquet(_texts(_repeated("a" * MB, 16384)))(file)


def repeated_good(file: Path) -> None:
    """A text within all limits, ten million times by dictionary: two terabytes of repeats."""
    _parquet(_texts(_repeated("river stone " * 16_000, 10_000_000)))(file)


def giant_string(file: Path) -> None:
    """One string of 300 MB in 10 kB."""
    _parquet(_texts(pa.array(["a" * (300 * MB)])))(file)


def giant_among_good(file: Path) -> None:
    """The same among forty good rows."""
    _parquet(_texts(pa.array([*_good_texts(40), "a" * (300 * MB)])))(file)


def nulls(file: Path) -> None:
    """A hundred million rows of nothing in some 500 kB."""
    none = pa.nulls(100_000_000, pa.string())
    _parquet(pa.table({"text": none, "origin": none}))(file)


def fewer_nulls(file: Path) -> None:
    """Two million of them, which are within the limit of rows."""
    none = pa.nulls(2_000_000, pa.string())
    _parquet(pa.table({"text": none, "origin": none}))(file)


def prefixes(file: Path) -> None:
    """Strings that share a prefix of 1 MB, written as differences: no dictionary, and a byte a row."""
    rows = pa.array(["a" * MB + chr(97 + at % 26) for at in range(512)])
    many = pa.table({"text": rows, "origin": ["real"] * 512})
    encoding = {"text": "DELTA_BYTE_ARRAY"}
    with pq.ParquetWriter(file, many.schema, compression="zstd", use_dictionary=False, column_encoding=encoding) as writer:
        for _ in range(16):
            writer.write_table(many)


def long_list(file: Path) -> None:
    """One row with a list of a hundred million messages, among forty good rows."""
    long = pa.ListArray.from_arrays(pa.array([0, 100_000_000], pa.int32()), pa.nulls(100_000_000, MESSAGE))
    last = pa.table({"prompt": long, "response": ["none"], "origin": ["real"]})
    _parquet(pa.concat_tables([_chats(), last]))(file)


def _chats() -> pa.Table:
    prompts = pa.array([[{"role": "user", "content": text}] for text in _good_texts(40)], pa.list_(MESSAGE))
    return pa.table({"prompt": prompts, "response": [f"answer {at}" for at in range(40)], "origin": ["real"] * 40})


def arrow_buffers(file: Path) -> None:
    """A compressed buffer of 3 GiB in a record batch."""
    parts = pa.LargeStringArray.from_buffers(
        16, pa.py_buffer(np.arange(17, dtype=np.int64) * 192 * MB), pa.py_buffer(np.zeros(16 * 192 * MB, np.uint8))
    )
    _arrow(_batch(parts))(file)


def arrow_dictionary(file: Path) -> None:
    """A string of 1 MB, 16,384 times by dictionary, as Arrow."""
    _arrow(_batch(_repeated("a" * MB, 16384)))(file)


def arrow_runs(file: Path) -> None:
    """A string of 1 MB in one run of 16,384 rows."""
    _arrow(_batch(pa.RunEndEncodedArray.from_arrays(pa.array([16384], pa.int32()), pa.array(["a" * MB]))))(file)


def arrow_views(file: Path) -> None:
    """16,384 views of the same string of 1 MB."""
    words = pa.array(["a" * MB]).cast(pa.string_view())
    view = words.buffers()[1].to_pybytes()[:16]
    column = pa.Array.from_buffers(pa.string_view(), 16384, [None, pa.py_buffer(view * 16384), *words.buffers()[2:]])
    _arrow(_batch(column))(file)


def csv_endless(file: Path) -> None:
    """Ten gigabytes of short rows in some 10 kB of bzip2."""
    block = bz2.compress(b"text,origin\n" + b"a,real\n" * 20)
    many = bz2.compress(b"a,real\n" * (8 * MB // 7))
    file.write_bytes(block + many * 1250)


def csv_header(file: Path) -> None:
    """Sixteen million names of columns in 16 kB."""
    file.write_bytes(gzip.compress(b"text,origin" + b"," * (16 * MB) + b"\n"))


def json_line(file: Path) -> None:
    """One line of 300 MB in 300 kB."""
    file.write_bytes(gzip.compress(b'{"origin": "real", "text": "' + b"a" * (300 * MB) + b'"}\n', 6))


def json_names(file: Path) -> None:
    """Nine thousand names in the first line, and half a million objects without any: each would get a cell for each."""
    names = b", ".join(b'"n%d": 1' % at for at in range(9000))
    file.write_bytes(gzip.compress(b'{"text": "a", "origin": "real", ' + names + b"}\n" + b"{}\n" * 500_000))


def json_many_names(file: Path) -> None:
    """Names instead of values: half a million in a line."""
    names = b", ".join(b'"n%d": 1' % at for at in range(500_000))
    file.write_bytes(gzip.compress(b'{"text": "a", "origin": "real", ' + names + b"}\n"))


def json_deep(file: Path) -> None:
    """Brackets a hundred thousand deep, behind a string of as many closing ones."""
    file.write_bytes(b'{"text": "' + b"]" * 100_000 + b'", "origin": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n")


def _png(mode: str, width: int, height: int, extra: bytes = b"") -> bytes:
    """A PNG of zeros, made without its pixels."""
    channels = {"RGBA": 4, "RGB": 3, "L": 1}[mode]
    kind = {"RGBA": 6, "RGB": 2, "L": 0}[mode]
    packer, row = zlib.compressobj(9), bytes(width * channels + 1)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, kind, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + extra + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(name: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")


def _jpeg(side: int, scans: int) -> bytes:
    """A progressive JPEG whose last scan is repeated until it has so many."""
    sink = io.BytesIO()
    Image.new("L", (side, side), 128).save(sink, "JPEG", progressive=True)
    data = sink.getvalue()
    last, end = data.rindex(b"\xff\xda"), data.rindex(b"\xff\xd9")
    return data[:last] + data[last:end] * (scans - data.count(b"\xff\xda") + 1) + data[end:]


def _good_images(n: int) -> list[bytes]:
    random = np.random.default_rng(1)
    made = []
    for _ in range(n):
        sink = io.BytesIO()
        Image.fromarray(random.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(sink, "PNG")
        made.append(sink.getvalue())
    return made


def _images(cells: pa.Array | list[bytes]) -> pa.Table:
    n = len(cells)
    images = pa.array(cells, pa.binary()) if isinstance(cells, list) else cells
    return pa.table({"image": images, "label": [at % 2 for at in range(n)], "origin": ["real"] * n})


def png_pixels(file: Path) -> None:
    """Thirty-two images of 8192 x 8192 RGBA in some kilobytes."""
    _parquet(_images([_png("RGBA", SIDE, SIDE)] * 32))(file)


def png_among_good(file: Path) -> None:
    """One of them among forty good images."""
    _parquet(_images([*_good_images(40), _png("RGBA", SIDE, SIDE)]))(file)


def png_within_limits(file: Path) -> None:
    """An image of 5792 x 5792, just within the limit, half a million times by dictionary."""
    n = 500_000
    image = pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array([_png("RGB", 5792, 5792)]))
    _parquet(pa.table({"image": image, "label": np.arange(n) % 2, "origin": _repeated("real", n)}))(file)


def png_odd(file: Path) -> None:
    """Images of a pixel by 4 million, and of 8192 by 8192 in one channel."""
    _parquet(_images([_png("L", 4_000_000, 1), _png("L", SIDE, SIDE)] * 16))(file)


def png_text(file: Path) -> None:
    """Images with 64 texts, and a profile, of 256 MB each in their compressed chunks."""
    packed = zlib.compress(bytes(256 * MB), 9)
    texts = b"".join(_chunk(b"zTXt", b"k%d\0\0" % at + packed) for at in range(64))
    whole = _png("RGB", 16, 16, _chunk(b"iCCP", b"profile\0\0" + packed) + texts)
    _parquet(_images([whole] * 4))(file)


def jpeg_scans(file: Path) -> None:
    """JPEGs of 300 scans over 24 million pixels."""
    _parquet(_images([_jpeg(4900, 300)] * 8))(file)


def other_formats(file: Path) -> None:
    """GIF, WebP and TIFF of many or large pictures, which are no format of the row contract."""
    frames = [Image.new("L", (512, 512), at % 256) for at in range(200)]
    cells = []
    for kind, options in (("GIF", {"save_all": True, "append_images": frames}), ("TIFF", {}), ("WEBP", {})):
        sink = io.BytesIO()
        (frames[0] if kind != "TIFF" else Image.new("1", (60_000, 9_001))).save(sink, kind, **options)
        cells.append(sink.getvalue())
    _parquet(_images(cells * 4))(file)


def tensor(file: Path) -> None:
    """Tensors of 8192 x 8192 x 3 floats, 805 MB each, as a list of one run of zeros."""
    kind = pa.fixed_shape_tensor(pa.float32(), [SIDE, SIDE, 3])
    values = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(SIDE * SIDE * 3, np.float32)), SIDE * SIDE * 3)
    table = pa.table({"image": pa.ExtensionArray.from_storage(kind, values), "label": [0], "origin": ["real"]})
    pq.write_table(table, file, compression="zstd")


def tensor_claim(file: Path) -> None:
    """Tensors of two thousand million values a row, in a column in which nothing stands."""
    kind = pa.fixed_shape_tensor(pa.uint8(), [46_340, 46_340, 1])
    image = pa.ExtensionArray.from_storage(kind, pa.nulls(0, kind.storage_type))
    schema = pa.schema([("image", kind), ("label", pa.int64()), ("origin", pa.string())])
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        writer.write_table(pa.table([image, pa.array([], pa.int64()), pa.array([], pa.string())], schema=schema))


BOMBS: dict[str, Bomb] = {
    "dictionary": Bomb("text", ".parquet", dictionary),
    "repeated-good": Bomb("text", ".parquet", repeated_good),
    "giant-string": Bomb("text", ".parquet", giant_string),
    "giant-among-good": Bomb("text", ".parquet", giant_among_good, "trimmed"),
    "nulls": Bomb("text", ".parquet", nulls),
    "fewer-nulls": Bomb("text", ".parquet", fewer_nulls),
    "prefixes": Bomb("text", ".parquet", prefixes),
    "arrow-buffers": Bomb("text", ".arrow", arrow_buffers),
    "arrow-dictionary": Bomb("text", ".arrow", arrow_dictionary),
    "arrow-runs": Bomb("text", ".arrow", arrow_runs),
    "arrow-views": Bomb("text", ".arrow", arrow_views),
    "csv-endless": Bomb("text", ".csv.bz2", csv_endless),
    "csv-header": Bomb("text", ".csv.gz", csv_header),
    "json-line": Bomb("text", ".jsonl.gz", json_line),
    "json-names": Bomb("text", ".jsonl.gz", json_names),
    "json-many-names": Bomb("text", ".jsonl.gz", json_many_names),
    "json-deep": Bomb("text", ".jsonl", json_deep),
    "long-list": Bomb("chat", ".parquet", long_list, "trimmed"),
    "png-pixels": Bomb("image", ".parquet", png_pixels),
    "png-among-good": Bomb("image", ".parquet", png_among_good, "trimmed"),
    "png-within-limits": Bomb("image", ".parquet", png_within_limits),
    "png-odd": Bomb("image", ".parquet", png_odd),
    "png-text": Bomb("image", ".parquet", png_text),
    "jpeg-scans": Bomb("image", ".parquet", jpeg_scans),
    "other-formats": Bomb("image", ".parquet", other_formats),
    "tensor": Bomb("image", ".parquet", tensor),
    "tensor-claim": Bomb("image", ".parquet", tensor_claim),
}
"""Name -> how it is made."""


def _with_names(names: pa.Array, file: Path) -> None:
    n = len(names)
    _parquet(pa.table({"text": _repeated("a", n), "origin": _repeated("real", n), "contributor": names}))(file)


NAME_BOMBS: dict[str, Callable[[Path], None]] = {
    "names-dictionary": lambda file: _with_names(_repeated("a" * MB, 16384), file),
    "names-giant": lambda file: _with_names(pa.array(["a" * (300 * MB)]), file),
    "names-list": lambda file: _with_names(
        pa.ListArray.from_arrays(pa.array([0, 100_000_000], pa.int32()), pa.nulls(100_000_000, pa.string())), file
    ),
    "names-nulls": lambda file: _with_names(pa.nulls(20_000_000, pa.string()), file),
}
"""Shards of `layout: column` whose column of contributors is the bomb. It is read in the run's own process."""


def good_rows(name: str) -> pa.Table | None:
    """The rows of a bomb that the gate leaves; None where it leaves none."""
    if BOMBS[name].verdict != "trimmed":
        return None
    if BOMBS[name].task == "text":
        return _texts(pa.array(_good_texts(40)))
    return _images(_good_images(40)) if BOMBS[name].task == "image" else _chats()
