"""Whether a store creates an object only where none is, when several ask at once: tried, since its word is not enough.

What is created conditionally is the table's next version and a decision. On a store that does it in two steps, two gates at the
same moment both succeed, and one's rows or decision are gone: such a store is refused before anything is written.
"""

from __future__ import annotations

import os
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from mixval.errors import ConditionUnsupportedError
from mixval.storage import s3
from mixval.storage.root import Location

WRITERS = 8
"""Who create one object at the same moment."""
ROUNDS = 3
_LOCK = threading.Lock()
_FOUND: set[tuple[str, str | None, int]] = set()
"""Buckets that this process has found to hold: name, endpoint, process."""


def require_conditions(location: Location) -> None:
    """Raises ConditionUnsupportedError for a store that creates objects twice. Asked once a bucket and process; local file
    systems create a file once by themselves.
    """
    if location.scheme != "s3":
        return
    with _LOCK:
        known = location.path.partition("/")[0], s3.endpoint_of(location.options), os.getpid()
        if known in _FOUND:
            return
        for _ in range(ROUNDS):
            if (n_created := _created(location)) > 1:  # none: answers were lost, and the client asked again
                raise ConditionUnsupportedError(
                    f"{location.url}: expected a store that creates an object for one of {WRITERS} writers at a time "
                    f"(If-None-Match), found {n_created} that were told so. Two gates could overwrite each other's commits. "
                    "Take a store that supports conditional writes: AWS S3, Ceph, MinIO, Cloudflare R2."
                )
        _FOUND.add(known)


def _created(location: Location) -> int:
    """How many of several writers at once were told that they had created one and the same object."""
    place = location.child(f"{s3.PROBE}{uuid.uuid4().hex}")
    with location.guard("try conditional writes"):
        filesystem = place.filesystem()
        if s3.ignores_conditions(filesystem, place.path):
            return WRITERS
        put = partial(s3.put_if, filesystem, place.path, match=None)
        with ThreadPoolExecutor(WRITERS) as pool:
            answers = list(pool.map(put, (uuid.uuid4().bytes for _ in range(WRITERS))))
        n_created = sum(answer is not None for answer in answers)
        again = s3.put_if(filesystem, place.path, b"again", match=None)
        filesystem.rm_file(place.path)
    return n_created + (again is not None)
