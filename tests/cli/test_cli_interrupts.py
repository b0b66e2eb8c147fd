"""Ctrl-C, heard where Python loses it."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mixval.cli.interrupts import interruptible
from mixval.cli.progress_view import front_end
from mixval.progress import Progress, Silence


class Raising:
    """Interrupts while it is destroyed, where Python prints an exception and goes on."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


@contextmanager
def lost_interrupt() -> Iterator[Progress]:
    """A front end within which an interrupt has come and was lost."""
    with front_end(quiet=True) as progress:
        Raising()  # gone at once: nobody holds it
        yield progress


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("event", [("begin", 3), ("step", "one"), ("end", "all")], ids=lambda event: event[0])
def test_an_interrupt_that_was_lost_is_heard_at_the_next_event(event: tuple[str, int | str]) -> None:
    name, argument = event
    with lost_interrupt() as progress, pytest.raises(KeyboardInterrupt):
        getattr(progress, name)("measure", argument)


def test_an_interrupt_is_heard_at_once() -> None:
    with front_end(quiet=True), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_events_go_on_without_one(capsys: pytest.CaptureFixture[str]) -> None:
    with front_end(quiet=False) as progress:
        progress.begin("gate", 1)
        progress.step("gate", "alpha: admitted")
        progress.end("gate", "1 of 1 admitted")
    assert "checking 1/1: alpha: admitted" in capsys.readouterr().err


def test_the_handler_before_is_back_afterwards() -> None:
    before = signal.getsignal(signal.SIGINT)
    with front_end(quiet=True):
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_another_thread_gets_the_progress_as_it_is() -> None:
    progress, seen = Silence(), []

    def look() -> None:
        with interruptible(progress) as one:
            seen.append(one)

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [progress]
