"""The handle through which a Delta table is looked at, kept from one look to the next: opening one reads the whole log again.

A table is as the kept handle has it where the log entry of the handle's version is the very object that it was, the log has no
other checkpoint, and no entry follows. Where an entry follows, what follows is read alone; where the object is another one or
gone, because the table was replaced or restored from a copy, or where a checkpoint came, after which entries are cleared away,
the table is opened anew. What comes after the look is found by the commit, which fails where another writer was first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mixval.errors import StorageError
from mixval.storage.entries import disk_version, is_missing, object_version
from mixval.storage.root import Location

if TYPE_CHECKING:
    from deltalake import DeltaTable


class KeptHandle:
    """The newest handle of a table. Picklable, without the handle."""

    def __init__(self, location: Location) -> None:
        """Of the table at this location. Nothing is contacted yet."""
        self._location = location
        self._handle: DeltaTable | None = None
        self._entry: str | None = None
        """What tells the log entry of the handle's version from any other object of its name."""
        self._checkpoint: str | None = None
        """What tells the last checkpoint at the last look from any other; None where there was none."""

    def current(self, opened: Callable[[], DeltaTable | None], require: Callable[[DeltaTable], None]) -> DeltaTable | None:
        """The table as it is now; None where there is none. `opened` opens it, `require` looks at what came since.

        Raises what they raise; the handle is forgotten then.
        """
        handle, entry = self._handle, self._entry
        self.forget()
        before, self._checkpoint = self._checkpoint, self._told("_last_checkpoint")  # first: what comes later is seen later
        if handle is not None and before == self._checkpoint and entry == self._told(_entry(handle.version())):
            if self._told(_entry(handle.version() + 1)) is not None:
                handle.update_incremental()
                require(handle)
        else:
            handle = opened()
        if handle is not None:
            self.keep(handle)
        return handle

    def keep(self, handle: DeltaTable) -> None:
        """Take a handle that is the newest, such as one that was just written through."""
        self._entry = self._told(_entry(handle.version()))
        self._handle = None if self._entry is None else handle

    def forget(self) -> None:
        """Open the table anew at the next look."""
        self._handle = self._entry = None

    def _told(self, name: str) -> str | None:
        """What tells an object of the log from any other of its name; None where there is none."""
        file = self._location.child("_delta_log", name)
        try:
            with file.guard("look at the log of a table"):
                path = file.local_path()
                return object_version(file.filesystem().info(file.path)) if path is None else disk_version(path.stat())
        except StorageError as error:
            if is_missing(error):
                return None
            raise

    def __getstate__(self) -> dict[str, Any]:
        """Without the handle, which holds connections."""
        return {"_location": self._location, "_handle": None, "_entry": None, "_checkpoint": None}


def _entry(version: int) -> str:
    return f"{version:020d}.json"
