"""Listing of contributors with their shards, and of the target set: sorted, with digests and rows.

What cannot be read is listed with its problem and concerns its contributor alone; only a store that does not answer, or an
empty listing, is an error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pat

from mixval.config.source import LimitsConfig, SourceConfig
from mixval.contracts.arrow_types import plain_type, text_array
from mixval.contracts.cell_bytes import without_large_cells
from mixval.contracts.mapping import column_words
from mixval.contracts.plan import ShardRef
from mixval.errors import (
    ContractError,
    ShardError,
    StorageError,
    TargetError,
)
from mixval.storage.claimed_names import contributor_folders
from mixval.storage.failures import concerns_one_file
from mixval.storage.formats import FORMATS, format_of, known_formats, open_shard
from mixval.storage.not_data import is_hidden, without_markers
from mixval.storage.root import Location, open_location
from mixval.storage.shard_refs import shard_of, unlisted
from mixval.storage.tree import Entry, files_below, legible, refused

Inputs = tuple[dict[str, list[ShardRef]], list[ShardRef]]
"""Contributors' shards by name, and the target's."""

_THREADS = 8
"""Listings, or shards, that are read at a time."""
_FOLDERS_TOGETHER = 32
"""Contributors whose files are held as locations while their shards are opened."""
_COUNT_BATCH_ROWS = 65_536
_OWN = LimitsConfig(files=10**8, levels=10**3, file_bytes=2**62, total_bytes=2**62)
"""Of folders that are the user's own, such as the target's."""
MOST_NAME_BYTES, MOST_NAMES = 1024, 1_000_000
"""Of contributors that a column names: it is read in the run's own process."""


def list_inputs(source: SourceConfig) -> Inputs:
    """Sorted listings of contributors and target. Reads footers, and files that have none once, to count their rows.

    Raises as `list_contributors` and `list_target` do.
    """
    return list_contributors(source), list_target(source)


def list_contributors(source: SourceConfig) -> dict[str, list[ShardRef]]:
    """Contributors with their shards, both sorted. A contributor without data files is kept, with an empty list.

    URLs by name: each is a folder or a file. `folders`: a contributor is `contributor=NAME/` (percent-decoded, as Hive writes
    it) or `NAME/`. `column`: every shard is listed once for each contributor in it, with `rows_of` set and `n_rows` counting
    that contributor's rows. Names that begin with `.` or `_` are hidden. Raises `StorageError` for a URL that cannot be listed,
    `ContractError` when there are no contributors.
    """
    if isinstance(source.contributors, dict):
        return _by_name(source.contributors, source)
    root = open_location(source.contributors, source.storage)
    found = _by_column(root, source) if source.layout == "column" else _by_folder(root, source)
    if not found:
        raise ContractError(
            f"{root.url}: expected {_expected(source)}, found none. Check `source.contributors` and `source.layout`."
        )
    return found


def list_target(source: SourceConfig) -> list[ShardRef]:
    """The target set's shards, sorted. Raises `StorageError` for a URL that cannot be listed, `TargetError` when empty."""
    root = open_location(source.target, source.storage)
    shards = list_shards(root)
    if not any(shard.problem is None for shard in shards):
        problems = "; ".join(str(shard.problem) for shard in shards[:3])
        raise TargetError(
            f"{root.url}: expected a data file ({known_formats()}) or a folder of them as the target set, found no readable one"
            f"{': ' + problems if problems else ''}. Check `source.target`."
        )
    return shards


def _expected(source: SourceConfig) -> str:
    if source.layout == "column":
        return f"data files with rows that name a contributor in column '{source.contributor_column}'"
    return "one folder a contributor (`contributor=NAME/` or `NAME/`)"


def _by_name(urls: Mapping[str, str], source: SourceConfig) -> dict[str, list[ShardRef]]:
    if unfit := [name for name in urls if not name.strip() or legible(name) != name]:
        raise ContractError(f"source.contributors: expected a name for each URL, found {unfit[0]!a}. Name the contributor.")
    roots = {name: open_location(urls[name], source.storage) for name in sorted(urls)}
    found, folders, missing = dict[str, list[ShardRef]](), dict[str, Location](), list[StorageError]()
    for name, root in roots.items():
        try:
            if root.is_file():
                found[name] = [shard_of(Entry(root, root.name), None)]
            else:
                folders[name] = root
        except StorageError as error:
            if not concerns_one_file(error):
                raise
            missing.append(error)
            found[name] = [unlisted(root, root.name, f"shard '{root.name}' {error}")]
    if len(missing) == len(roots):  # nobody's files are there: the configuration's fault, not theirs
        raise missing[0]
    found |= _shards_by_name(folders, source.limits, source.follow_links)
    return {name: found[name] for name in roots}


def _by_folder(root: Location, source: SourceConfig) -> dict[str, list[ShardRef]]:
    target = open_location(source.target, source.storage)
    _refuse_strays(root, target)
    folders, refusals = contributor_folders(root, target, source.follow_links)
    listed = _shards_by_name(folders, source.limits, source.follow_links)
    listed |= {name: [shard_of(entry, None) for entry in entries] for name, entries in refusals.items()}
    return {name: listed[name] for name in sorted(listed)}


def _shards_by_name(folders: Mapping[str, Location], limits: LimitsConfig, follow_links: bool) -> dict[str, list[ShardRef]]:
    """The shards of each folder. Listed concurrently, whether contributors are many or their shards."""
    names, found = list(folders), dict[str, list[ShardRef]]()

    def listed(placed: tuple[Entry, Location]) -> ShardRef:
        entry, folder = placed
        return shard_of(entry, None if follow_links else folder)

    with ThreadPoolExecutor(_THREADS) as pool:
        for start in range(0, len(names), _FOLDERS_TOGETHER):
            some = names[start : start + _FOLDERS_TOGETHER]
            entries = list(pool.map(lambda name: _files_below(folders[name], limits, follow_links), some))
            shards = pool.map(listed, [(entry, folders[name]) for name, of in zip(some, entries, strict=True) for entry in of])
            found |= {name: list(islice(shards, len(of))) for name, of in zip(some, entries, strict=True)}
    return found


def _refuse_strays(root: Location, target: Location) -> None:
    direct = root.files(recursive=False)
    data = [file for file in direct if format_of(file.name) is not None and not is_hidden(file.name)]
    strays = [file.name for file in data if file.url != target.url]
    if strays:
        raise ContractError(
            f"{root.url}: expected one folder a contributor, found data files next to the folders, which belong to no "
            f"contributor: {', '.join(strays[:5])}. Move them into a contributor's folder, or set `source.layout: column`."
        )


def _by_column(root: Location, source: SourceConfig) -> dict[str, list[ShardRef]]:
    found: dict[str, list[ShardRef]] = {}
    for shard in list_shards(root, source.limits, source.follow_links):
        if shard.problem is not None:
            raise ShardError(
                f"{shard.problem} With `layout: column` its contributors are unknown.",
                shard=shard.url,
                kind="unreadable",
            )
        for name, n_rows in _rows_by_contributor(shard, source).items():
            found.setdefault(name, []).append(replace(shard, rows_of=name, n_rows=n_rows))
    return {name: found[name] for name in sorted(found)}


def _rows_by_contributor(shard: ShardRef, source: SourceConfig) -> dict[str, int]:
    column = source.contributor_column
    counts: Counter[str | None] = Counter()
    with open_shard(shard, source.storage) as file:
        if file.schema.names.count(column) != 1:
            raise ShardError(
                f"shard '{shard.name}' ({shard.url}): one column '{column}' is expected to name the contributor, found "
                f"{column_words(file.schema.names)}. Set `source.contributor_column`.",
                shard=shard.url, column=column, kind="missing-column",
            )  # fmt: skip
        if pat.is_nested(plain_type(file.schema.field(column).type)):
            raise _no_names(shard, column, f"found {file.schema.field(column).type}")
        for whole in file.batches([column], _COUNT_BATCH_ROWS):
            batch, too_long = without_large_cells(whole, MOST_NAME_BYTES)
            if too_long:
                raise _no_names(shard, column, f"found one of more than {MOST_NAME_BYTES:,} bytes")
            for entry in pc.value_counts(contributor_names(batch.column(column), shard, column)).to_pylist():
                counts[entry["values"]] += entry["counts"]
            if len(counts) > MOST_NAMES:
                raise _no_names(shard, column, f"found more than {MOST_NAMES:,} different ones")
    if n_unnamed := counts.pop(None, 0):
        raise ShardError(
            f"shard '{shard.name}' ({shard.url}): column '{column}' must name a contributor in every row, found {n_unnamed} "
            "rows without one. Fill them in, or leave the rows out.",
            shard=shard.url, column=column, kind="wrong-type",
        )  # fmt: skip
    return {name: count for name, count in counts.items() if name is not None}


def contributor_names(column: pa.Array, shard: ShardRef, name: str) -> pa.Array:
    """The contributor column as strings. Raises `ShardError` for what has no plain spelling, such as a list, or no UTF-8."""
    try:
        return text_array(column)
    except pa.ArrowException as error:
        raise _no_names(shard, name, f"found {column.type} ({' '.join(str(error).split())[:120]})") from error


def _no_names(shard: ShardRef, column: str, found: str) -> ShardError:
    return ShardError(
        f"shard '{shard.name}' ({shard.url}): column '{column}' must be string to name contributors, {found}. Convert it, or "
        "name another column in `source.contributor_column`.",
        shard=shard.url,
        column=column,
        kind="wrong-type",
    )


def list_shards(root: Location, limits: LimitsConfig = _OWN, follow_links: bool = True) -> list[ShardRef]:
    """The shards of a file or folder, sorted; of a folder of one's own, links are followed and nothing is too much.

    Raises `StorageError` for a URL that cannot be listed.
    """
    if root.is_file():
        return [shard_of(Entry(root, root.name), None)]
    return _shards_by_name({"": root}, limits, follow_links)[""]


def _files_below(root: Location, limits: LimitsConfig, follow_links: bool) -> list[Entry]:
    """The files of a contributor; those of another format than most have a problem."""
    below = files_below(root, limits, follow_links)
    data = {one.name for one in without_markers([one for one in below if one.problem is None])}
    entries = [one for one in below if one.problem is not None or one.name in data]
    formats = [None if (found := format_of(entry.name)) is None else found.name for entry in entries]
    # The format of most files; of as many, the one that is less likely a description of the data.
    main = max([one.name for one in FORMATS], key=formats.count)
    return [
        entry if entry.problem is not None or found in (None, main) else refused(root, entry.name, _mixed(str(found), main))
        for entry, found in zip(entries, formats, strict=True)
    ]


def _mixed(found: str, main: str) -> str:
    return (
        f"expected the files of a contributor to be of one format, found {found} beside {main}. Convert it, or move it away "
        "where it is no data."
    )
