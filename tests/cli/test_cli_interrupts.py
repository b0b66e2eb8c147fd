"""Ctrl-C and SIGTERM: heard where Python loses them, ending running work first, and the process whatever hangs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from mixval import stopping
from mixval.cli.interrupts import SIGNALS, InterruptibleProgress, exit_code, stoppable
from mixval.progress import Silence


class Raising:
    """Interrupts while it is destroyed, where Python prints an exception and goes on."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


@pytest.fixture(autouse=True)
def none_ignored() -> Iterator[None]:
    """In a process that ignores none of the signals, as one that `nohup` started does."""
    before = {one: signal.signal(one, signal.SIG_DFL) for one in SIGNALS if signal.getsignal(one) == signal.SIG_IGN}
    yield
    for one, handler in before.items():
        signal.signal(one, handler)


@pytest.fixture
def in_stoppable(none_ignored: None) -> Iterator[None]:
    """Within a process that can be stopped."""
    with stoppable():
        yield


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("event", [("begin", 3), ("step", "one"), ("end", "all")], ids=lambda event: event[0])
def test_an_interrupt_that_was_lost_is_heard_at_the_next_event(in_stoppable: None, event: tuple[str, int | str]) -> None:
    name, argument = event
    Raising()  # gone at once: nobody holds it
    with pytest.raises(KeyboardInterrupt):
        getattr(InterruptibleProgress(Silence()), name)("measure", argument)


@pytest.mark.parametrize("signum", SIGNALS)
def test_a_signal_is_raised_once_gives_its_code_and_ends_running_work(in_stoppable: None, signum: signal.Signals) -> None:
    ended = threading.Event()
    with stopping.ended_on_stop(ended.set):
        with pytest.raises(KeyboardInterrupt) as caught:
            signal.raise_signal(signum)
        assert ended.wait(60)
    assert (*caught.value.args, exit_code()) == (signum, 128 + signum)
    signal.raise_signal(signal.SIGTERM)  # a second one interrupts no clean-up


def test_a_publication_is_carried_to_its_end_and_is_a_success(in_stoppable: None) -> None:
    with stopping.uninterrupted():
        signal.raise_signal(signal.SIGTERM)
        stopping.check()
        stopping.over()
    stopping.check()
    assert exit_code() == 0


def test_a_publication_that_did_not_come_about_is_interrupted_at_its_end(in_stoppable: None) -> None:
    with pytest.raises(KeyboardInterrupt), stopping.uninterrupted():
        signal.raise_signal(signal.SIGINT)


def test_the_handlers_before_are_back_afterwards_and_nothing_is_remembered() -> None:
    before = {signum: signal.getsignal(signum) for signum in SIGNALS}
    with stoppable():
        assert all(signal.getsignal(signum) != handler for signum, handler in before.items())
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert {signum: signal.getsignal(signum) for signum in SIGNALS} == before
    assert stopping.told() is None
    stopping.check()


def test_another_thread_changes_no_handler() -> None:
    before, seen = signal.getsignal(signal.SIGINT), []

    def look() -> None:
        with stoppable():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [before]


STUCK = """
import signal, sys
from mixval.cli import interrupts, leave
interrupts.GRACE_SECONDS = {grace}

def main():
    is_ready = False
    while True:
        try:
            if not is_ready:
                is_ready = True
                print("ready", flush=True)
            signal.pause()
        except BaseException:
            print("caught", flush=True)

leave.leaving_at_once(main)
"""


@pytest.mark.parametrize(
    ("grace", "signals"),
    [(0.01, [signal.SIGTERM]), (600, [signal.SIGINT, signal.SIGINT])],
    ids=["after a time", "at the second Ctrl-C"],
)
def test_a_process_that_hangs_ends_all_the_same(grace: float, signals: list[signal.Signals]) -> None:
    command = [sys.executable, "-c", STUCK.format(grace=grace)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for signum, word in zip(signals, ("ready", "caught"), strict=False):
            assert process.stdout.readline() == f"{word}\n"
            os.kill(process.pid, signum)
        _, said = process.communicate()
    assert process.returncode == 128 + signals[0]
    assert "run the same command again to continue" in said


PUBLISHES = """
import signal, sys, threading
from mixval import stopping
from mixval.cli import interrupts, leave
interrupts.GRACE_SECONDS = interrupts.LOOK_SECONDS = 0.01
interrupts.LONGEST_SECONDS = {longest}
looks = threading.Semaphore(0)
held = stopping.is_held_back

def looked():
    looks.release()
    return held()

stopping.is_held_back = looked

def main():
    with stopping.uninterrupted():
        print("ready", flush=True)
        for _ in range({n_looks}):
            looks.acquire()
        stopping.over()
        interrupts.GRACE_SECONDS = 600
        print("published", flush=True)

leave.leaving_at_once(main)
"""


@pytest.mark.parametrize(("longest", "n_looks", "code"), [(600, 3, 0), (0.01, 10**9, 143)], ids=["in time", "hangs"])
def test_a_publication_has_longer_and_not_for_ever(longest: float, n_looks: int, code: int) -> None:
    command = [sys.executable, "-c", PUBLISHES.format(longest=longest, n_looks=n_looks)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.terminate()
        shown, said = process.communicate()
    assert (process.returncode, "published" in shown) == (code, code == 0), said
