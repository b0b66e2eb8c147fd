"""Exit of a process that ran a valuation, without the seconds that the interpreter takes to unload torch and Prefect."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable


def leaving_at_once(main: Callable[[], object]) -> None:
    """Run `main`; the process then ends with its exit code as soon as threads are joined and every exit handler has run.

    An error that `main` does not turn into an exit code ends the process the ordinary way, with its traceback.
    """
    codes: list[int] = []
    atexit.register(_end, codes)  # registered first, so called last
    try:
        main()
    except SystemExit as leaving:
        if not isinstance(leaving.code, int | None):
            raise  # a message, which the interpreter prints
        codes.append(leaving.code or 0)
    else:
        codes.append(0)


def _end(codes: list[int]) -> None:
    if codes:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(codes[0])
