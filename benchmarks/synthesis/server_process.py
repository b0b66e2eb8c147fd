"""The chat server in a process of its own, for as long as a block runs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def serving(model: Path, log: Path | None = None, port: int = 0, **faults: float) -> Iterator[str]:
    """Its URL, once it listens. At the end it is killed."""
    command = [sys.executable, "-m", "benchmarks.synthesis.chat_server", str(model), "--faults", json.dumps(faults)]
    command += ["--port", str(port)] + ([] if log is None else ["--log", str(log)])
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        if not url:
            raise RuntimeError(f"{' '.join(command)}: expected its URL, found that it ended")
        yield url
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
