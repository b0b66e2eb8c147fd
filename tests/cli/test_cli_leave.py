"""The end of the process: the exit code as asked, exit handlers run, tracebacks kept."""

import subprocess
import sys

import pytest

BEGIN = """
import atexit, sys
from mixval.cli.leave import leaving_at_once

def main():
    atexit.register(print, "handled")
    {}

leaving_at_once(main)
"""


def left(main: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", BEGIN.format(main)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("main", "code"), [("print('done')", 0), ("sys.exit(3)", 3), ("sys.exit()", 0)])
def test_exit_code_is_the_mains(main, code):
    process = left(main)
    assert (process.returncode, process.stderr) == (code, "")
    assert process.stdout.endswith("handled\n")


def test_words_and_unknown_errors_end_the_ordinary_way():
    process = left("sys.exit('no')")
    assert (process.returncode, process.stderr) == (1, "no\n")
    process = left("1 / 0")
    assert process.returncode == 1
    assert "ZeroDivisionError" in process.stderr
    assert process.stdout == "handled\n"
