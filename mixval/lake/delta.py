"""A Delta table, to which a delivery is appended once, by the table's own transactions.

A handle is loaded, asked under which attempt the delivery came in last, and written through with no retries: a commit through a
handle fails where another writer was first, so that what was asked still holds. After an error the table is looked at again:
where the attempt is there, the answer alone was lost. delta-rs has threads that do not survive a fork: processes that use this
are spawned.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa

from mixval.config.source import StorageConfig
from mixval.errors import ConflictError, MixvalError, SchemaError, StorageError
from mixval.lake.columns import conformed
from mixval.lake.conditions import require_conditions
from mixval.lake.delta_handle import KeptHandle
from mixval.lake.delta_log import logged_changes
from mixval.lake.delta_rows import arrow_schema, batches, keys_by_statistics, rows_by_key, table_files
from mixval.lake.delta_store import (
    failure_of_the_store,
    plain_words,
    refuse_file,
    refuse_other_folder,
    storage_options,
    table_location,
)
from mixval.lake.protocol import refuse_unheld
from mixval.lake.table import Appended, CommitKey, LakeTable, RowSource, TableChange, TableFile
from mixval.storage.root import Location

if TYPE_CHECKING:
    from deltalake import DeltaTable

_PROPERTIES: dict[str, str | None] = {"delta.checkpointInterval": "20"}
"""Of a table that is made here. A writer reads all of the log since the last checkpoint: of a hundred small appends with the
usual checkpoint, the last cost several times what the first do."""
_TRIES = 100
"""Of a change that does not depend on the version: each failure is another writer's success."""


def open_table(url: str, storage: StorageConfig | None = None) -> LakeTable:
    """The Delta table at a URL, whether it is there yet or not: a local folder, or `s3://`. Nothing is contacted yet.

    Raises ConditionUnsupportedError for other stores, StorageError for letters that delta-rs misreads in a URL. Methods raise,
    besides what the seam says, StorageError for a folder that holds something else, or a table that uses deletion vectors,
    column mapping or another feature that is not held here; and ConditionUnsupportedError, before anything is written, for a
    store that does not create objects conditionally.
    """
    return _DeltaLake(table_location(url, storage))


class _DeltaLake:
    """A Delta table by its location. Each method looks at the table as it is."""

    def __init__(self, location: Location) -> None:
        self._location = location
        self._kept = KeptHandle(location)

    @property
    def url(self) -> str:
        return self._location.url

    def version(self) -> int | None:
        return None if (handle := self._handle()) is None else handle.version()

    def identity(self) -> str | None:
        return None if (handle := self._handle()) is None else str(handle.metadata().id)

    def create(self, schema: pa.Schema) -> None:
        from deltalake import DeltaTable

        if self._handle() is not None:
            return
        require_conditions(self._location)
        try:
            with self._guard("make a table"):
                options = storage_options(self._location)
                DeltaTable.create(self._path, schema, mode="error", configuration=_PROPERTIES, storage_options=options)
        except StorageError:
            if self._handle() is None:  # nobody else made it either
                raise

    def schema(self, version: int | None = None) -> pa.Schema:
        return arrow_schema(self._present(version))

    def files(self, version: int) -> list[TableFile]:
        with self._guard("list the files of a table"):
            return table_files(self._present(version))

    def changes(self, after: int, until: int) -> list[TableChange] | None:
        self._present()
        return logged_changes(self._location, after, until, self.files)

    def read(self, version: int, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        with self._guard("read a table"):
            yield from batches(self._present(version), columns)

    def moved_since(self, version: int | None) -> int:
        return 0 if (handle := self._handle()) is None else self._moved(handle, version)

    def attempt(self, delivery: str) -> int | None:
        return self.attempts([delivery]).get(delivery)

    def attempts(self, deliveries: Collection[str]) -> dict[str, int]:
        if (handle := self._handle()) is None:
            return {}
        with self._guard("read the keys of a table"):
            found = {one: handle.transaction_version(_application(one)) for one in deliveries}
        return {one: attempt for one, attempt in found.items() if attempt is not None}

    def rows_by_key(self, version: int) -> Mapping[CommitKey, int]:
        with self._guard("read the keys of a table"):
            return rows_by_key(self._present(version))

    def append_once(self, key: CommitKey, rows: RowSource, expect_version: int | None, ahead: int = 0) -> Appended:
        require_conditions(self._location)
        while True:
            handle = self._present()
            with self._guard("read the keys of a table"):
                if _is_held(handle, key):
                    return Appended(handle.version(), was_there=True)
            if (n_moved := self._moved(handle, expect_version)) > ahead:
                raise self._conflict(expect_version, ahead, n_moved, handle.version())
            if self._write(handle, key, rows):
                return Appended(handle.version(), was_there=False)

    def widen(self, schema: pa.Schema) -> int:
        from deltalake import CommitProperties, Schema

        require_conditions(self._location)
        for _ in range(_TRIES):
            handle = self._present()
            held = set(arrow_schema(handle).names)
            lacking = [field.with_nullable(True) for field in schema if field.name not in held]
            new = Schema.from_arrow(pa.schema(lacking)).fields
            if not new:
                return handle.version()
            self._kept.forget()
            once = CommitProperties(max_commit_retries=0)
            if self._goes_through(handle, lambda: handle.alter.add_columns(new, commit_properties=once)):  # noqa: B023
                return handle.version()
        raise ConflictError(f"{self.url}: expected to add columns, found other writers first {_TRIES} times. Run again.")

    def _write(self, handle: DeltaTable, key: CommitKey, rows: RowSource) -> bool:
        """Whether the rows are in the version after the handle's; False where another writer was first."""
        from deltalake import CommitProperties, Transaction, write_deltalake

        self._kept.forget()  # looks meanwhile leave this handle as it was asked
        once = CommitProperties(
            custom_metadata={"mixval.key": key.text},
            max_commit_retries=0,
            app_transactions=[Transaction(_application(key.delivery), key.attempt)],
        )
        schema = arrow_schema(handle)
        with rows() as reader:
            self._require_columns(reader.schema, schema)
            told = _Told(conformed(reader, schema))
            stream = pa.RecordBatchReader.from_batches(schema, told)
            try:
                return self._goes_through(
                    handle, lambda: write_deltalake(handle, stream, mode="append", commit_properties=once)
                )
            except StorageError as error:
                if told.failure is not None:  # the rows failed, and not the table
                    raise told.failure from error
                if "failed validation check" in str(error):  # without the rows that delta-rs shows below
                    raise SchemaError(
                        f"{self.url}: expected rows that keep the table's constraints, found others: {plain_words(error)}. "
                        "Correct the rows, or drop the constraint."
                    ) from None
                raise

    def _goes_through(self, handle: DeltaTable, change: Callable[[], None]) -> bool:
        """Whether a change through a handle went through; False where another writer was first. An answer that was lost counts
        as another writer, and is found when the table is looked at again."""
        before = handle.version()
        try:
            with self._guard("write a table"):
                change()
        except StorageError:
            now = self.version()
            if now is None or now <= before:
                raise
            return False
        self._kept.keep(handle)
        return True

    def _moved(self, handle: DeltaTable, since: int | None) -> int:
        """Versions after the one and up to the handle's that changed rows; all of them where the log no longer says."""
        before, now = -1 if since is None else since, handle.version()
        if now < before:
            raise StorageError(
                f"{self.url}: expected version {before} of the table or a later one, found {now}: another table, or one with "
                "its log cut. Nothing was written; value the delivery anew."
            )
        changes = logged_changes(self._location, before, now, self.files)
        return now - before if changes is None else sum(not change.rearranges for change in changes)

    def _conflict(self, since: int | None, ahead: int, n_moved: int, version: int) -> ConflictError:
        was = "no table" if since is None else f"version {since}"
        return ConflictError(
            f"{self.url}: expected {was}, which the delivery was valued against, and at most {ahead} changes of rows since, "
            f"found {n_moved} up to version {version}: another writer was first. Nothing was written; value it anew against "
            "what the table holds now."
        )

    def _require_columns(self, rows: pa.Schema, table: pa.Schema) -> None:
        if new := sorted(set(rows.names) - set(table.names)):
            raise SchemaError(
                f"{self.url}: expected rows with columns of the table, found also {', '.join(new)}. Widen the table first."
            )

    @property
    def _path(self) -> str:
        return self._location.path if self._location.scheme == "file" else self._location.url

    def _handle(self, version: int | None = None) -> DeltaTable | None:
        """The table as it is now, or was; None where there is none."""
        with self._guard("open a Delta table"):
            if version is None:
                return self._kept.current(self._opened, lambda handle: refuse_unheld(handle, self.url))
            return self._opened(version)

    def _opened(self, version: int | None = None) -> DeltaTable | None:
        from deltalake import DeltaTable
        from deltalake.exceptions import TableNotFoundError

        refuse_file(self._location)
        try:
            handle = DeltaTable(self._path, version=version, storage_options=storage_options(self._location))
        except TableNotFoundError:
            refuse_other_folder(self._location)
            return None
        refuse_unheld(handle, self.url)
        return handle

    def _present(self, version: int | None = None) -> DeltaTable:
        if (handle := self._handle(version)) is None:
            raise StorageError(f"{self.url}: expected a Delta table, found none. Check the URL, or that it was not removed.")
        return handle

    @contextmanager
    def _guard(self, doing: str) -> Iterator[None]:
        """Turns failures of delta-rs into StorageError: its own kind, OSError without a number, and its panics."""
        from deltalake.exceptions import DeltaError

        with self._location.guard(doing):
            try:
                yield
            except BaseException as error:
                is_plain = type(error) is OSError and error.errno is None
                if not (is_plain or isinstance(error, DeltaError) or type(error).__name__ == "PanicException"):
                    raise
                if (failure := failure_of_the_store(self._location)) is not None:
                    raise failure from error
                raise StorageError(
                    f"{self.url}: expected to {doing}, but it failed: {plain_words(error)}. Check that it is a whole Delta "
                    "table, and run again."
                ) from error


class _Told:
    """Rows handed to delta-rs, which tells a failure of theirs as one of its own: the failure is kept."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self.failure: MixvalError | None = None

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._batches
        except MixvalError as error:
            self.failure = error
            raise


def _application(delivery: str) -> str:
    """The id of the transactions in the table's log that bring in this delivery; their version is the attempt."""
    return f"mixval-{delivery}"


def _is_held(handle: DeltaTable, key: CommitKey) -> bool:
    """Whether the delivery came in under this attempt or a later one, or rows of any of its attempts are in the table.

    Statistics alone are asked for rows without a transaction, which no writer that keeps to the protocol leaves behind.
    """
    last = handle.transaction_version(_application(key.delivery))
    if last is not None and last >= key.attempt:
        return True
    found = keys_by_statistics(handle)[0] if last is None else rows_by_key(handle)
    return any(one.delivery == key.delivery for one in found)
