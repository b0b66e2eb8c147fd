"""A Dask worker's sampler, named as its preload: `DASK_DISTRIBUTED__WORKER__PRELOAD=benchmarks.sampled_worker`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from benchmarks.sampler import FOLDER, Sampler

_running: list[Sampler] = []


def dask_setup(worker: Any) -> None:  # noqa: ARG001  Dask's signature
    """Start when the worker does."""
    sampler = Sampler("worker", Path(os.environ[FOLDER]))
    sampler.start()
    _running.append(sampler)


def dask_teardown(worker: Any) -> None:  # noqa: ARG001  Dask's signature
    """Write what was found."""
    while _running:
        _running.pop().stop()
