"""What a run starts ends with it, also where it is killed; workers end with the process that they were forked from."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psutil
import pytest

STARTS = """
import json, multiprocessing, os, signal, subprocess, sys, time
from multiprocessing import forkserver

def wait():
    time.sleep(600)

if __name__ == "__main__":
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["mixval_flows.forking"])
    worker = context.Process(target=wait)
    worker.start()
    served = "from mixval_flows.lifeline import end_with_standard_input as end; import time; end(); time.sleep(600)"
    server = subprocess.Popen([sys.executable, "-c", served], stdin=subprocess.PIPE, start_new_session=True)
    pids = {"fork server": forkserver._forkserver._forkserver_pid, "worker": worker.pid, "server": server.pid}
    print(json.dumps(pids), flush=True)
    worker.join()
    print("joined", flush=True)
    time.sleep(600)
"""


def wait_for_end(pids: list[int]) -> None:
    """Until none of these processes lives."""
    alive = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    _, left = psutil.wait_procs(alive, timeout=300)
    assert not left


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of a short name, unlike `tmp_path`: the fork server's socket lies in it, and its path may have 107 bytes."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@contextmanager
def running(folder: Path) -> Iterator[tuple[subprocess.Popen[str], IO[str], dict[str, int]]]:
    """A run, what it prints, and the processes that it has started."""
    script = folder / "starts.py"
    script.write_text(STARTS)
    environment = os.environ | {"TMPDIR": str(folder)}
    with subprocess.Popen([sys.executable, str(script)], env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, process.stdout, json.loads(process.stdout.readline())


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux alone")
def test_what_a_run_starts_has_sessions_of_its_own_and_ends_with_it(folder: Path) -> None:
    with running(folder) as (process, output, started):
        assert os.getsid(started["worker"]) == started["fork server"]
        assert os.getsid(started["server"]) == started["server"]
        os.kill(started["worker"], signal.SIGINT)  # ignored: the run decides about its workers
        os.kill(started["fork server"], signal.SIGKILL)
        assert output.readline() == "joined\n"  # at once, and the worker does not work on
        wait_for_end([started["worker"]])
        assert psutil.pid_exists(started["server"])
        process.kill()
    wait_for_end([started["server"]])


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux alone")
def test_workers_end_with_a_run_that_is_killed(folder: Path) -> None:
    with running(folder) as (process, _, started):
        assert list(folder.glob("pymp-*"))
        process.kill()
    wait_for_end(list(started.values()))
    assert not list(folder.glob("pymp-*"))  # where the killed process listened for the fork server


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux alone")
def test_a_worker_whose_forker_is_gone_before_it_begins_ends_at_once() -> None:
    script = """
import os, signal
forker = os.getpid()
def hold():  # hooks run in the order of their registration
    while os.getppid() == forker:
        pass
os.register_at_fork(after_in_child=hold)
import mixval_flows.forking
if os.fork() == 0:
    print("worked on", flush=True)
    os._exit(0)
os.kill(forker, signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=False, timeout=300)
    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, "")  # the pipe is at its end when the worker is, too
