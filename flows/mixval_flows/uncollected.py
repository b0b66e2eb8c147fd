"""Imports without collections of garbage, for processes that import much and live on it."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Within this block nothing is collected, and no later collection looks at what it leaves.

    Modules are no garbage: to look for some while they are imported takes a sixth of the time that this takes, and processes
    that are forked later would copy every page of them.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
