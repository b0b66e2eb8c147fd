"""Small files that would take very much once decoded: each reader refuses them, or leaves the row out, before it decodes."""

import bz2
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.torture import bomb_files
from mixval.config.source import SourceConfig, StorageConfig
from mixval.errors import ShardError
from mixval.storage import compressed, csv_file, json_structure, parquet, reading
from mixval.storage.arrow_messages import bodies
from mixval.storage.footer import row_groups
from mixval.storage.json_structure import structure_of
from mixval.storage.listing import list_contributors, list_shards
from mixval.storage.parquet_pages import largest_value_bytes
from mixval.storage.root import open_location
from mixval.storage.shards import stream_rows

MB = 1 << 20


def rows_of(folder, **storage):
    """Contract batches of the shards in a folder."""
    source = SourceConfig(contributors=str(folder), target=str(folder), storage=StorageConfig(**storage))
    shards = list_shards(open_location(str(folder), source.storage))
    return list(stream_rows(shards, source, "language-modelling"))


def problem_of(folder, **storage):
    """What the listing says of the one shard in a folder."""
    (shard,) = list_shards(open_location(str(folder), StorageConfig(**storage)))
    return shard.problem


def repeated(value, n):
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array([value]))


@pytest.mark.parametrize("name", ["dictionary", "arrow-runs"])
def test_a_long_string_that_is_repeated_comes_in_few_rows_at_a_time(name, tmp_path):
    bomb = bomb_files.BOMBS[name]
    bomb.make(tmp_path / f"x{bomb.ending}")
    if name == "dictionary":  # with rows that differ, so that the listing does not refuse it by their number
        table = pq.read_table(tmp_path / "x.parquet", read_dictionary=["text", "origin"])
        pq.write_table(table.append_column("id", pa.array(range(len(table)))), tmp_path / "x.parquet", store_schema=False)
    source = SourceConfig(contributors=str(tmp_path), target=str(tmp_path))
    shards = list_shards(open_location(str(tmp_path)))
    before = pa.total_allocated_bytes()
    first = next(iter(stream_rows(shards, source, "language-modelling", 4096)))
    assert 16 < first.table.num_rows <= reading.MAX_BATCH_BYTES // MB
    assert first.table["text"][0].as_py() == "a" * MB
    assert pa.total_allocated_bytes() - before < 2 * parquet.MAX_READ_BYTES + 2 * reading.MAX_BATCH_BYTES


def test_a_cell_that_is_too_large_is_a_bad_row_among_good_ones(tmp_path):
    texts = ["one", "x" * 5000, "three"]
    pq.write_table(pa.table({"text": texts, "origin": ["real"] * 3, "id": ["a", "b", "c"]}), tmp_path / "x.parquet")
    (batch,) = rows_of(tmp_path, max_cell_bytes=1000)
    assert batch.table["text"].to_pylist() == ["one", None, "three"]
    assert batch.table["id"].to_pylist() == ["a", "b", "c"]
    refusal = batch.table["refusal"].to_pylist()
    assert (refusal[0], refusal[2]) == (None, None)
    assert "column 'text' must have at most 1,000 bytes" in refusal[1]


@pytest.mark.parametrize("encoding", [None, "DELTA_BYTE_ARRAY", "PLAIN"])
def test_values_are_at_most_what_the_pages_say(encoding, tmp_path):
    texts = ["a" * 3000 + str(at % 5) for at in range(200)]
    options = {} if encoding is None else {"use_dictionary": False, "column_encoding": {"text": encoding}}
    file = tmp_path / "x.parquet"
    pq.write_table(pa.table({"text": texts}), file, data_page_size=1 << 14, write_batch_size=20, **options)
    data = file.read_bytes()
    (group,) = row_groups(reader(data), len(data))
    most = largest_value_bytes(reader(data), group.chunks[0], is_whole=True)
    assert 3001 <= most <= 5 * 3005 + 100_000
    assert largest_value_bytes(reader(data), group.chunks[0], is_whole=False) == (most if encoding is None else 0)


def reader(data):
    return lambda n, at: data[at : at + n]


def test_a_footer_that_hides_its_dictionary_does_not_hide_it(tmp_path):
    bomb_files.dictionary(tmp_path / "x.parquet")
    data = (tmp_path / "x.parquet").read_bytes()
    chunk = row_groups(reader(data), len(data))[0].chunks[0]
    hidden = replace(chunk, dictionary_offset=None, data_offset=chunk.dictionary_offset)
    assert largest_value_bytes(reader(data), hidden, is_whole=False) >= MB


def test_page_headers_that_cannot_be_read_refuse_the_file(tmp_path):
    file = tmp_path / "x.parquet"
    pq.write_table(pa.table({"text": ["a"], "origin": ["real"]}), file)
    data = bytearray(file.read_bytes())
    data[4:12] = b"\xff" * 8
    file.write_bytes(data)
    with pytest.raises(ShardError, match="Parquet"):
        rows_of(tmp_path)


@pytest.mark.parametrize("new", [pa.ipc.new_file, pa.ipc.new_stream])
@pytest.mark.parametrize("codec", [None, "zstd", "lz4"])
def test_bodies_of_arrow_messages_are_sized_without_decoding(new, codec):
    table = pa.table({"a": ["x" * 1000] * 1000, "d": repeated("u", 1000)})
    sink = pa.BufferOutputStream()
    with new(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
        writer.write_table(table, max_chunksize=400)
    found = list(bodies(pa.BufferReader(sink.getvalue())))
    assert [body.n_rows for body in found if body.n_rows] == [400, 400, 200]
    assert all(body.n_bytes >= body.n_rows * 1000 for body in found)
    assert sum(body.n_bytes for body in found) < 1.1 * table.nbytes


def test_a_record_batch_that_is_too_large_is_refused_in_the_listing(tmp_path):
    bomb_files.arrow_dictionary(tmp_path / "x.arrow")
    assert problem_of(tmp_path) is None
    assert "a record batch has 1,048,584 bytes once decompressed" in problem_of(tmp_path, max_decoding_bytes=1_000_000)


def test_a_compressed_text_of_very_many_bytes_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(compressed, "FREE_BYTES", 1000)
    monkeypatch.setattr(compressed, "MOST_UNFOLDED", 100)
    head = b"text,origin\n" + b"a,real\n" * 20
    (tmp_path / "x.csv.bz2").write_bytes(bz2.compress(head) + bz2.compress(b"a,real\n" * 40_000))
    assert "bytes have more than" in problem_of(tmp_path)
    (tmp_path / "x.csv.bz2").write_bytes(bz2.compress(head))
    assert problem_of(tmp_path) is None


@pytest.mark.parametrize(
    ("header", "n"),
    [
        (b"a,b,c", 3),
        (b"\n\n a,b", 2),
        (b'"a,b",c', 2),
        (b'"a""b\n,c",d', 2),
        (b'x",y,"ab\nc",z', 4),
        (b'"a"b"c,d', 2),
    ],
)
def test_names_of_a_csv_header_are_counted_as_pyarrow_does(header, n, tmp_path):
    assert csv_file._n_fields(header + b"\n1,2\n", b",") == n
    assert csv_file._n_fields(header, b",") == n


def test_a_csv_header_of_very_many_names_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_file, "MAX_FIELDS", 10)
    (tmp_path / "x.csv").write_bytes(b"text,origin" + b"," * 9 + b"\n")
    assert "names more than 10 columns" in problem_of(tmp_path)
    monkeypatch.setattr(csv_file, "MAX_HEADER_BYTES", 8)
    (tmp_path / "x.csv").write_bytes(b'"' + b"a" * 20 + b'",origin\n')
    assert "the first line has more than" in problem_of(tmp_path)


def test_brackets_behind_a_string_of_brackets_are_counted(tmp_path):
    bomb_files.json_deep(tmp_path / "x.jsonl")
    assert "brackets are nested 100,001 deep" in problem_of(tmp_path)


def test_the_structure_of_json_is_that_outside_of_strings():
    lines = [r'{"a{[:\\": "\\\"]}:"}', r'{"b": [{"c": "\\"}]}', "", r'{"d": "\u007b"}']
    piece = "\n".join(lines).encode() + b"\n"
    found = structure_of(piece)
    assert (found.depth, int((found.marks == ord(":")).sum()), int((found.marks == ord("{")).sum())) == (3, 4, 4)
    assert b"".join(found.parts()) == piece


def test_objects_times_names_are_parsed_in_parts(monkeypatch):
    monkeypatch.setattr(json_structure, "MAX_CELLS", 100)
    piece = b'{"a": 1}\n' * 35 + b'{"b": 1, "c": 2, "d": 3}\n' * 8 + b"{}\n" * 50
    parts = list(structure_of(piece).parts())
    assert b"".join(parts) == piece
    assert all(part.count(b"{") * part.count(b":") <= 100 and part.endswith(b"\n") for part in parts)
    assert len(parts) < 20


def test_a_line_of_objects_times_names_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(json_structure, "MAX_CELLS", 1000)
    (tmp_path / "x.jsonl").write_bytes(b'{"text": "a", "x": [' + b'{"a": 1, "b": 2}, ' * 20 + b"{}" + b", {}" * 300 + b"]}\n")
    assert "objects with 4 names in all" in problem_of(tmp_path)
    monkeypatch.setattr(json_structure, "MAX_CELLS", 10)
    monkeypatch.setattr(json_structure, "MAX_FIELDS", 30)
    (tmp_path / "x.jsonl").write_bytes(b"{" + b", ".join(b'"n%d": 1' % at for at in range(40)) + b"}\n")
    assert "a line has 40 names, and 30 are read" in problem_of(tmp_path)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (repeated("a" * 2000, 10), "found one of more than 1,024 bytes"),
        (pa.array([["a"]] * 10), "found list<"),
    ],
)
def test_a_column_of_contributors_is_read_within_limits(names, found, tmp_path):
    pq.write_table(pa.table({"text": ["a"] * 10, "origin": ["real"] * 10, "contributor": names}), tmp_path / "x.parquet")
    source = SourceConfig(contributors=str(tmp_path), target=str(tmp_path), layout="column")
    with pytest.raises(ShardError, match=found):
        list_contributors(source)


def test_rows_of_a_contributor_in_a_column_keep_their_refusals(tmp_path):
    columns = {"text": ["a", "b", "x" * 500, "d"], "origin": ["real"] * 4, "contributor": ["u", "v", "v", "u"]}
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    storage = StorageConfig(max_cell_bytes=100)
    source = SourceConfig(contributors=str(tmp_path), target=str(tmp_path), layout="column", storage=storage)
    (batch,) = stream_rows(list_contributors(source)["v"], source, "language-modelling")
    assert batch.table["text"].to_pylist() == ["b", None]
    assert [why is None for why in batch.table["refusal"].to_pylist()] == [True, False]


HELD = """
import sys
import numpy as np
from mixval.config.source import StorageConfig
from mixval.errors import CapacityError, ShardError
from mixval.storage.allowance import allowance, hold_to_allowances
from mixval.storage.formats import open_format
from mixval.storage.held import held
from mixval.storage.root import open_location

def read(most):
    with held(open_location(sys.argv[1], StorageConfig(max_decoding_bytes=most))) as file, open_format(file) as shard:
        return sum(batch.num_rows for batch in shard.batches(["text"], 10))

hold_to_allowances()
try:
    read(30 * 2**20)
except ShardError as error:
    assert "takes more than 31,457,280 bytes" in str(error), error
else:
    raise AssertionError("not held")
hold_to_allowances(30 * 2**20)
try:
    read(2**30)
except CapacityError as error:
    assert "half of a worker's memory" in str(error), error
else:
    raise AssertionError("not held")
np.ones(60 * 2**20, np.uint8)  # outside of a reader nothing is limited
hold_to_allowances()
assert read(2**30) == 1
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not limit data elsewhere")
def test_a_decoder_is_held_to_its_allowance(tmp_path):
    file = tmp_path / "x.parquet"
    pq.write_table(pa.table({"text": ["a" * (50 * MB)]}), file, compression="zstd", use_dictionary=False)
    subprocess.run([sys.executable, "-c", HELD, str(file)], check=True, timeout=100)
