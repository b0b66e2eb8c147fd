"""The profile's sampler against threads whose work is known, and the count of a command's processes."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from benchmarks.profile_run import ROOT, by_process
from benchmarks.sampler import Sampler, kind_of

BURN = """
import time, sys
def burn(seconds, then):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(1000))
    then()
def here():
    return sys._getframe()
"""


def module(file: str, name: str = "burning") -> dict:
    """Functions that are said to stand in this file."""
    made = {"__name__": name}
    exec(compile(BURN, file, "exec"), made)
    return made


def burnt(folder: Path, *files: str, seconds: float, stay: bool) -> tuple[dict, float]:
    """What the sampler writes of threads which use so much CPU each, and end or stay to be looked at; the process's CPU."""
    sampler = Sampler("here", folder)
    before = time.process_time()
    sampler.start()
    coalition_results = threading.Barrier(len(files) + 1)
    seen = threading.Event()

    def then() -> None:
        if stay:
            coalition_results.wait()
            seen.wait()

    threads = [threading.Thread(target=module(file)["burn"], args=(seconds, then)) for file in files]
    for thread in threads:
        thread.start()
    if stay:
        coalition_results.wait()
        sampler.stop()
        seen.set()
    for thread in threads:
        thread.join()
    sampler.stop()
    spent = time.process_time() - before
    (file,) = folder.iterdir()
    found = json.loads(file.read_text())
    found["seconds"]["imports"] -= before
    return found, spent


def test_cpu_goes_to_the_kind_of_each_thread(tmp_path) -> None:
    found, spent = burnt(tmp_path, "mixval/terms/a.py", "mixval/gate/b.py", "elsewhere.py", seconds=0.2, stay=True)
    seconds = found["seconds"]
    for kind in ("terms", "gate"):
        assert seconds[kind] == pytest.approx(0.2, abs=0.04)
    assert seconds["orchestration"] == pytest.approx(0.2, abs=0.06)  # this thread's, too
    assert sum(seconds.values()) == pytest.approx(spent, rel=0.1)
    assert 0 < seconds["sampler"] < 0.3 * spent


def test_short_threads_are_not_lost(tmp_path) -> None:
    found, spent = burnt(tmp_path, *["mixval/terms/a.py"] * 100, seconds=0.003, stay=False)
    assert spent > 0.3
    assert sum(found["seconds"].values()) == pytest.approx(spent, rel=0.1)


def test_the_innermost_frame_with_a_kind_counts() -> None:
    assert kind_of(module("mixval/models/images.py")["here"]()) == "decoding"
    assert kind_of(module("mixval/models/vision.py")["here"]()) == "model compute"
    assert kind_of(module("mixval/terms/ntk/quadratic.py")["here"]()) == "terms"
    # On a stack of its own: a test runner may stand in a module's frame.
    found: list[str | None] = ["unset"]
    thread = threading.Thread(target=lambda: found.__setitem__(0, kind_of(module("elsewhere.py")["here"]())))
    thread.start()
    thread.join()
    assert found == [None]

    def outer(file: str) -> str | None:
        made: dict = {"__name__": "outer", "inner": module(file)["here"]}
        exec(compile("def call():\n    return inner()", "mixval/gate/a.py", "exec"), made)
        return kind_of(made["call"]())

    assert outer("elsewhere.py") == "gate"
    assert outer("mixval/storage/a.py") == "storage"


def test_a_module_that_is_imported_counts_as_imports() -> None:
    found: dict = {"__name__": "imported", "kind_of": kind_of, "sys": sys}
    exec(compile("kind = kind_of(sys._getframe())", "mixval/terms/a.py", "exec"), found)
    assert found["kind"] == "imports"
    found["__name__"] = "__main__"
    exec(compile("kind = kind_of(sys._getframe())", "mixval/terms/a.py", "exec"), found)
    assert found["kind"] == "terms"


def watched(code: str) -> subprocess.CompletedProcess[str]:
    """`run_watched` on a program, in a process of its own: it waits for all its children."""
    watch = f"import json, sys\nfrom benchmarks.process_tree import run_watched\ncommand = [sys.executable, '-c', {code!r}]\n"
    watch += "print(json.dumps(run_watched(command, {})))"
    return subprocess.run([sys.executable, "-c", watch], cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_command_and_its_orphans_are_counted() -> None:
    burn = "import time\nwhile time.process_time() < 0.6: pass"
    done = watched(f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {burn!r}])")  # it does not wait
    seen, counted = json.loads(done.stdout)
    assert any("while" in words for words, _ in seen.values())
    assert counted == pytest.approx(sum(used for _, used in seen.values()), abs=0.6)  # one look
    assert counted > 0.6


def test_a_command_that_fails_is_told() -> None:
    assert "to end well, found exit code 3" in watched("raise SystemExit(3)").stderr


def test_every_process_has_its_kinds() -> None:
    sampled = {"flow-1": {"seconds": {"imports": 1.0}, "native": {"other": 0.5}}}
    sampled |= {f"worker-{pid}": {"seconds": {"terms": 2.0}, "native": {"other": 0.25}} for pid in (2, 3)}
    words = {
        1: "python run",
        2: "python forkserver",
        3: "python forkserver",
        4: "python forkserver",
        5: "uvicorn prefect",
        6: "x",
    }
    processes, native = by_process(sampled, {pid: (one, 10.0) for pid, one in words.items()})
    assert processes == {
        "flow": {"imports": 1.0},
        "workers": {"terms": 4.0},
        "forkserver": {"imports": 10.0},
        "api": {"orchestration": 10.0},
        "others": {"orchestration": 10.0},
    }
    assert native == {"other": 1.0}
