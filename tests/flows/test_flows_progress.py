"""Progress within a step: the bar between two whole steps, lines where a log would be silent, and what workers tell."""

from __future__ import annotations

import io
import threading

import pytest
from distributed import get_worker
from rich.console import Console
from rich.progress import Progress as Bars

from mixval.cli.progress_view import QUIET_SECONDS, PlainLines, TerminalBars
from mixval.progress import TARGET, Silence, shown_by
from mixval_flows.row_progress import rows_shown
from mixval_flows.runner import LazyCluster
from mixval_flows.worker import ROWS_TOPIC, TELL_SECONDS, RowsTold


def test_a_bar_moves_within_a_step_and_never_beyond_it() -> None:
    bars = Bars(console=Console(file=io.StringIO()))
    shown = TerminalBars(bars)
    shown.begin("measure", 2)
    task = bars.tasks[0]
    told = []
    for name, done in (("oak", 25), ("elm", 50), ("oak", 500)):
        shown.part("measure", name, done, 100)
        told.append(task.completed)
    assert told == pytest.approx([0.25, 0.75, 1.49])
    shown.part("measure", TARGET, 60, 100)  # T's rows are no step
    assert task.completed == pytest.approx(1.49)
    assert task.fields["words"] == "target, 60 of 100 row passes"
    shown.step("measure", "oak: failed")
    assert task.completed == pytest.approx(1.5)
    shown.part("measure", "oak", 30, 100)  # told late
    assert task.completed == pytest.approx(1.5)
    shown.step("measure", "elm")
    assert task.completed == 2


def test_a_log_gets_a_line_only_after_a_silence(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    shown = PlainLines(lambda: now[0])
    shown.begin("measure", 2)
    for seconds in (1.0, QUIET_SECONDS - 1, QUIET_SECONDS, QUIET_SECONDS + 1):
        now[0] = seconds
        shown.part("measure", "oak", int(100 * seconds), 4_000)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["[    0.0 s] measuring ...", "[   15.0 s] measuring 0/2: oak, 1,500 of 4,000 row passes"]


def test_a_worker_tells_of_its_rows_together() -> None:
    now, told = [0.0], list[dict[str, int]]()
    rows = RowsTold(told.append, lambda: now[0])
    for seconds, name in ((0.1, "oak"), (0.2, "oak"), (TELL_SECONDS, "elm"), (0.6, "elm"), (2 * TELL_SECONDS, "elm")):
        now[0] = seconds
        rows(name, 32)
    assert told == [{"oak": 64, "elm": 32}, {"elm": 64}]


class Heard(Silence):
    def __init__(self) -> None:
        self.parts: list[tuple[str, str, int, int]] = []
        self.both = threading.Event()

    def part(self, stage: str, name: str, done: int, total: int) -> None:
        self.parts.append((stage, name, done, total))
        if done == 12:
            self.both.set()


def _tell(rows: dict[str, int]) -> None:
    get_worker().log_event(ROWS_TOPIC, rows)


def test_what_workers_tell_reaches_the_front_end(cluster: LazyCluster) -> None:
    client, heard = cluster.client(), Heard()
    with shown_by(heard), rows_shown(client, "measure", {"oak": 40}):
        for rows in ({"oak": 5, "another run's": 3}, {"oak": 7}):
            client.submit(_tell, rows, pure=False).result()
        assert heard.both.wait(timeout=300)
    assert heard.parts[-1] == ("measure", "oak", 12, 40)
