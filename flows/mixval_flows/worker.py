"""Setup of a worker process when it starts."""

import atexit
import os
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from distributed import Worker, WorkerPlugin

from mixval.progress import watch_rows
from mixval.stages.memory import limit_memory
from mixval.storage.allowance import hold_to_allowances

ROWS_TOPIC = "mixval-rows"
"""Topic of the events in which workers tell how many rows have passed, by contributor."""
TELL_SECONDS = 0.5
DECODING_SHARE = 0.5
"""Of a worker's memory, for decoding a piece of a file."""
CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION")


def import_passes() -> None:
    """Import what every task of the measure stage needs, so that the first one does not pay for it."""
    import mixval.stages.forward
    import mixval.stages.gradients
    import mixval.stages.terms  # noqa: F401


class RowsTold:
    """Collects rows that have passed, and tells of them every `TELL_SECONDS` at most."""

    def __init__(self, tell: Callable[[dict[str, int]], None], clock: Callable[[], float] = time.monotonic) -> None:
        """`tell` takes rows by contributor."""
        self._tell, self._clock, self._told = tell, clock, clock()
        self._rows: Counter[str] = Counter()

    def __call__(self, name: str, n: int) -> None:
        """Count `n` rows of a contributor."""
        self._rows[name] += n
        if self._clock() - self._told >= TELL_SECONDS:
            self._told = self._clock()
            self._tell(dict(self._rows))
            self._rows.clear()


class Prepare(WorkerPlugin):  # type: ignore[misc]  # Dask has no types
    """Sets torch's threads, passes storage credentials, limits memory and what decoders take of it, and imports what every task
    needs."""

    name = "mixval-prepare"

    def __init__(self, threads: int, environment: dict[str, str], is_own: bool = False) -> None:
        """Store what `setup` will set; the environment is never logged. `is_own`: the process is a worker's alone."""
        self._threads = threads
        self._environment = environment
        self._is_own = is_own

    def setup(self, worker: Worker) -> None:
        """Run on the worker."""
        os.environ.update(self._environment)
        # Everything is committed by then, and unloading torch at exit takes seconds that the run would wait for.
        atexit.register(os._exit, 0)
        watch_rows(RowsTold(lambda rows: worker.log_event(ROWS_TOPIC, rows)))
        import torch

        torch.set_num_threads(self._threads)
        import_passes()
        limit = worker.memory_manager.memory_limit
        if self._is_own:
            hold_to_allowances(int(limit * DECODING_SHARE) if limit else None)
        if self._is_own and limit and not torch.cuda.is_available():  # CUDA reserves address space by the machine's memory
            limit_memory(limit)

    def __repr__(self) -> str:
        """Without the environment, which contains secrets."""
        return f"Prepare(threads={self._threads})"

    def __getstate__(self) -> dict[str, Any]:
        """State that is sent to the worker."""
        return self.__dict__.copy()


def prepare(threads: int, is_own: bool = False) -> Prepare:
    """The plugin for this process's storage environment. `is_own`: for worker processes that are started for this run."""
    return Prepare(threads, {name: os.environ[name] for name in CREDENTIALS if name in os.environ}, is_own)
