"""Contributors' folders that are laid out so as to end, hang or mislead a run: each must be refused or fail by its own name.

They lie below `FOLDER/source`, beside the honest contributors of `world.lay_out`; `HOSTILE` has the limits under which small
ones break them.
"""

from __future__ import annotations

import os
import socket
import stat
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from benchmarks.torture.world import sentences

MOST_FILES, MOST_LEVELS = 64, 8
HOSTILE: dict[str, Any] = {"source": {"limits": {"files": MOST_FILES, "levels": MOST_LEVELS}}}
"""Changes of the configuration for `config_of`."""
SAID_BYTES = 60 * 2**30
MANY_COLUMNS = 20_000
PART = "part-0.parquet"
N_ROWS = 24


@dataclass(frozen=True)
class Hostile:
    """A contributor that nobody else may notice."""

    name: str
    """As the run has it."""
    state: str
    """What it must end as: `rejected` or `failed`."""
    words: str
    """Part of its reason."""


def lay_out_hostile(folder: Path) -> list[Hostile]:
    """Write every kind below `folder/source`; returns who they are and how each must end."""
    source = folder / "source"
    source.mkdir(parents=True, exist_ok=True)
    return [*_names(source), *_no_files(source), *_links(folder), *_shapes(source), *_sizes(source), *_columns(source)]


def lay_out_said_rows(folder: Path, n_millions: int = 100) -> Hostile:
    """Write a contributor of so many rows, all null, that none fits a worker by the exact route without `sample.count`.

    A column of noise that is not read gives the file a byte for every eight rows.
    """
    _save_nulls(_of(folder / "source", "said-rows") / PART, n_millions, os.urandom(n_millions * 10**6 // 6))
    return Hostile("said-rows", "failed", "do not fit a worker")


def _save_nulls(path: Path, n_millions: int, noise: bytes = b"") -> None:
    columns = {"text": pa.nulls(10**6, pa.string()), "origin": pa.nulls(10**6, pa.string())}
    first = pa.array([noise], pa.binary()) if noise else pa.nulls(1, pa.binary())
    nulls = pa.table(columns | {"noise": pa.concat_arrays([first, pa.nulls(10**6 - 1, pa.binary())])})
    rest = nulls.set_column(2, "noise", pa.nulls(10**6, pa.binary()))
    with pq.ParquetWriter(path, nulls.schema, compression="zstd") as file:
        for number in range(n_millions):
            file.write_table(rest if number else nulls)


def rows(seed: int, n: int = N_ROWS) -> pa.Table:
    """Rows that would be admitted."""
    return pa.table({"text": sentences(n, 0.2, [seed, 7]), "origin": ["real"] * n})


def _parquet(table: pa.Table) -> bytes:
    file = pa.BufferOutputStream()
    pq.write_table(table, file)
    return bytes(file.getvalue().to_pybytes())


def _put(folder: Path, seed: int, name: str = PART) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(_parquet(rows(seed)))


def _of(source: Path, name: str) -> Path:
    folder = source / f"contributor={name}"
    folder.mkdir()
    return folder


def _names(source: Path) -> list[Hostile]:
    """Names that are not UTF-8, and names that two folders have."""
    _put(Path(os.fsdecode(os.fsencode(source) + b"/contributor=caf\xe9")), 50)
    _put(_of(source, "latin-file"), 51, os.fsdecode(b"part-\xff.parquet"))
    _put(_of(source, "latin-folder") / os.fsdecode(b"k\xf6ln"), 52)
    _put(source / "contributor=%FE%FF", 53)
    composed, apart = (unicodedata.normalize(form, "é-twice") for form in ("NFC", "NFD"))
    for number, name in enumerate(("a%20b", "a b", composed, apart)):
        _put(source / f"contributor={name}", 54 + number)
    unreadable = [Hostile(name, "rejected", "UTF-8") for name in ("caf\\xe9", "latin-file", "latin-folder", "\\xfe\\xff")]
    return [*unreadable, *(Hostile(name, "rejected", "one folder a contributor") for name in ("a b", composed, apart))]


def _no_files(source: Path) -> list[Hostile]:
    """What is called data and is no file."""
    os.mkfifo(_of(source, "fifo") / "x.parquet")
    here = os.open(_of(source, "socket"), os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as made:  # by a short name: a socket's may have 107 bytes
        made.bind(f"/proc/self/fd/{here}/x.parquet")
    os.close(here)
    found = ["fifo", "socket"]
    device = _of(source, "device") / "x.parquet"
    try:
        os.mknod(device, stat.S_IFCHR | 0o600, os.makedev(1, 5))  # /dev/zero
        found.append("device")
    except PermissionError:
        device.parent.rmdir()
    return [Hostile(name, "rejected", "expected a regular file") for name in found]


def _links(folder: Path) -> list[Hostile]:
    """Links that lead nowhere, in a circle, to others' rows, or out of the source."""
    source = folder / "source"
    others = folder / "elsewhere"
    _put(others, 60)
    (_of(source, "dangling") / "x.parquet").symlink_to("nowhere.parquet")
    (_of(source, "circle") / "x.parquet").symlink_to("x.parquet")
    (_of(source, "outward") / "x.parquet").symlink_to(others / PART)
    (_of(source, "neighbour") / "x.parquet").symlink_to(Path("..") / "contributor=fifo" / "x.parquet")
    (_of(source, "linked-folder") / "more").symlink_to(others, target_is_directory=True)
    (_of(source, "round") / "more").symlink_to(".", target_is_directory=True)
    (_of(source, "endless") / "x.parquet").symlink_to("/dev/zero")
    (source / "contributor=link").symlink_to(others, target_is_directory=True)
    (source / "contributor=spun").symlink_to("contributor=spun")
    names = ("dangling", "circle", "outward", "neighbour", "linked-folder", "round", "endless", "link", "spun")
    return [Hostile(name, "rejected", "link") for name in names]


def _shapes(source: Path) -> list[Hostile]:
    """Folders too deep, and too many files."""
    deep = os.open(_of(source, "deep"), os.O_RDONLY)
    for _ in range(60):  # of 6,000 letters in all, more than a path may have
        os.mkdir("d" * 100, dir_fd=deep)
        below = os.open("d" * 100, os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = below
    os.close(deep)
    many = _of(source, "many")
    for number in range(MOST_FILES + 1):
        (many / f"{number}.parquet").touch()
    return [Hostile("deep", "rejected", "levels"), Hostile("many", "rejected", "files")]


def _sizes(source: Path) -> list[Hostile]:
    """A file that is said to be large, and one of many rows."""
    data = _parquet(rows(61))
    with (_of(source, "said-large") / PART).open("wb") as file:
        file.write(data)
        file.truncate(SAID_BYTES - len(data))
        file.seek(SAID_BYTES - len(data))
        file.write(data)  # whose footer finds its pages at the beginning
    _save_nulls(_of(source, "many-nulls") / PART, 5)
    return [Hostile("said-large", "rejected", "GiB"), Hostile("many-nulls", "rejected", "5,000,000 rows in")]


def _columns(source: Path) -> list[Hostile]:
    """Tables whose columns cannot be told apart, or are none, or too many; in every format."""
    plain = rows(62)
    twice = {
        "id": plain.append_column("id", plain["text"]).append_column("id", plain["text"]),
        "text": plain.append_column("text", plain["text"]),
        "origin": plain.append_column("origin", plain["origin"]),
    }
    found = []
    for column, table in twice.items():
        for ending, save in SAVED.items():
            name = f"two-{column}-{ending}"
            save(table, _of(source, name) / f"part-0.{ending}")
            found.append(Hostile(name, "rejected", f"'{column}'" if ending != "jsonl" else ""))
    none = {"parquet": lambda: plain.select([]), "arrow": lambda: plain.select([])}
    for ending, table in none.items():
        name = f"no-column-{ending}"
        SAVED[ending](table(), _of(source, name) / f"part-0.{ending}")
        found.append(Hostile(name, "rejected", ""))
    for ending, content in {"csv": "\n\n\n", "jsonl": "{}\n{}\n"}.items():
        (_of(source, f"no-column-{ending}") / f"part-0.{ending}").write_text(content)
        found.append(Hostile(f"no-column-{ending}", "rejected", ""))
    wide = pa.table({f"column-{number}": pa.nulls(2, pa.string()) for number in range(MANY_COLUMNS)})
    for ending, save in SAVED.items():
        save(wide, _of(source, f"wide-{ending}") / f"part-0.{ending}")
        found.append(Hostile(f"wide-{ending}", "rejected", ""))
    return found


def _save_arrow(table: pa.Table, path: Path) -> None:
    with pa.ipc.new_file(path, table.schema) as file:
        file.write_table(table)


def _save_json(table: pa.Table, path: Path) -> None:
    import json

    cells = [column.to_pylist() for column in table.columns]
    lines = [
        "{" + ", ".join(f"{json.dumps(n)}: {json.dumps(v)}" for n, v in zip(table.column_names, row, strict=True)) + "}"
        for row in zip(*cells, strict=True)
    ]
    path.write_text("\n".join(lines) + "\n")


SAVED: dict[str, Callable[[pa.Table, Path], Any]] = {
    "parquet": pq.write_table,
    "arrow": _save_arrow,
    "csv": pyarrow.csv.write_csv,
    "jsonl": _save_json,
}
