"""Where things lie below an output root, and how a name from outside becomes one path segment.

runs/RUN ID/...                         what a run publishes
artifacts/KIND/FF/FINGERPRINT/...       committed once, never changed
latest.json                             the one mutable object
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from mixval.contracts.record import ArtifactRef
from mixval.errors import StorageError
from mixval.storage.root import Location, open_location

MAX_SEGMENT_CHARS = 120
"""Longest segment that `safe_name` gives. File systems allow 255 bytes; suffixes such as `.parquet` need room."""
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.")
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.DOTALL)
_KIND = re.compile(r"[a-z][a-z0-9-]{0,63}")
_FINGERPRINT = re.compile(r"[0-9a-f]{8,64}")
_DIGEST_CHARS = 32


def safe_name(name: str) -> str:
    """One path segment for `name`, whatever characters are in it.

    Bytes outside [A-Za-z0-9_-.] are percent-escaped, and so are a leading `.` or `_` (hidden files), a trailing `.`, and
    the first letter of names reserved on Windows. Different names never collide, not even two Unicode spellings of one
    word. Beyond `MAX_SEGMENT_CHARS` the tail is replaced by `~` and a digest of the whole name.
    """
    if not name:
        return "%"
    raw = name.encode("utf-8", "surrogatepass")
    pieces = [chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in raw]
    if pieces[0] in "._" or _RESERVED.fullmatch(name):
        pieces[0] = f"%{raw[0]:02X}"
    if pieces[-1] == ".":
        pieces[-1] = "%2E"
    whole = "".join(pieces)
    if len(whole) <= MAX_SEGMENT_CHARS:
        return whole
    head = whole[: MAX_SEGMENT_CHARS - _DIGEST_CHARS - 1]
    return f"{head}~{hashlib.blake2b(raw, digest_size=_DIGEST_CHARS // 2).hexdigest()}"


@dataclass(frozen=True)
class Layout:
    """Paths below one output root."""

    output: Location

    def run(self, run_id: str) -> Location:
        """Folder of a run."""
        return self.output.child("runs", run_id)

    @staticmethod
    def output_of(run: Location) -> Location:
        """The output root that a run's folder lies below. Raises `StorageError` for a folder that lies elsewhere."""
        above, between, _ = run.url.rpartition("/runs/")
        if not between:
            raise StorageError(
                f"{run.url}: expected the folder of a run as OUTPUT/runs/RUN, next to OUTPUT/artifacts, found it elsewhere. "
                "Give the run where it was published."
            )
        return open_location(above, run.options)

    def artifact(self, ref: ArtifactRef) -> Location:
        """Folder of an artifact. Raises `StorageError` for a kind or fingerprint that is not in its plain form."""
        if not _KIND.fullmatch(ref.kind) or not _FINGERPRINT.fullmatch(ref.fingerprint):
            raise StorageError(
                f"{self.output.url}: expected an artifact kind like `ntk-block` and a hexadecimal fingerprint, found "
                f"{ref.kind!r} and {ref.fingerprint!r}. Make references with `ArtifactStore.ref`."
            )
        return self.output.child("artifacts", ref.kind, ref.fingerprint[:2], ref.fingerprint)

    def latest(self) -> Location:
        """The pointer to the latest published run."""
        return self.output.child("latest.json")
