"""A process that runs valuations: it stops when it is told to, and ends without the seconds that unloading torch takes."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable
from contextlib import suppress

from mixval import stopping
from mixval.cli.interrupts import exit_code, say_interrupted, stoppable


def leaving_at_once(main: Callable[[], object]) -> None:
    """Run `main`; the process then ends with its exit code as soon as every exit handler has run.

    No thread is waited for: all that matters is stored when `main` returns, and one that waits for a service that has died
    would keep the process for minutes. An error that `main` does not turn into an exit code is printed with its traceback, and
    gives 1. A process that was told to stop before its result was published ends with 128 plus the signal's number.
    """
    codes = [0]
    atexit.register(_end, codes)  # registered first, so called last
    with stoppable():
        try:
            main()
        except SystemExit as leaving:
            codes[0] = (leaving.code or 0) if isinstance(leaving.code, int | None) else 1
            if codes[0] != leaving.code and leaving.code is not None:
                print(leaving.code, file=sys.stderr)
        except KeyboardInterrupt:
            say_interrupted()
        except BaseException:
            sys.excepthook(*sys.exc_info())
            codes[0] = 1
        if stopping.told() is not None and not stopping.is_over():
            codes[0] = exit_code()
        atexit._run_exitfuncs()  # what is public runs them only after all threads have ended


def _end(codes: list[int]) -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # closed by whoever read it, or a terminal that has gone
            stream.flush()
    os._exit(codes[0])
