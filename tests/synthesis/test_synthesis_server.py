"""Over the wire, against a server process with a real model behind it: every fault ends, counted, and nothing is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pyarrow.parquet as pq
import pytest

from benchmarks.synthesis.chat_server import ChatServer
from benchmarks.synthesis.server_process import serving
from mixval.errors import GeneratorError
from mixval.synthesis.local import computed_here
from mixval.synthesis.pace import Pace, Turn
from mixval.synthesis.server import retry_after
from mixval.synthesis.whole import synthesize_with
from tests.synthesis.conftest import TEXTS, Configure, listening, url_of


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server") / "log"


@pytest.fixture(scope="module")
def process(model: Path, log: Path) -> Iterator[str]:
    """A process without faults."""
    with serving(model, log) as url:
        yield url


@pytest.fixture
def faulty(model: Path) -> Iterator[ChatServer]:
    """A server in this process, whose faults a test sets."""
    with listening(model) as server:
        yield server


def at(url: str, **more: Any) -> dict[str, Any]:
    return {"kind": "openai", "model": "tiny", "base_url": url, "retry_seconds": 0.001, "timeout_seconds": 60, **more}


def test_a_server_answers_as_the_model_behind_it_does(process: str, log: Path, configure: Configure) -> None:
    summary = synthesize_with(configure(generator=at(process)), computed_here)
    assert (summary.n_planned, summary.n_failed, summary.n_asked, summary.generator) == (6, 0, 6, "tiny")
    assert Counter(log.read_text().split()).most_common(1)[0][1] == 1
    rows = pq.read_table(summary.rows_url.removeprefix("file://")).to_pylist()
    assert {row["model"] for row in rows} == {"tiny"}
    assert all(row["prompt_tokens"] > 50 and 0 < row["completion_tokens"] <= 12 for row in rows)
    assert {row["finish_reason"] for row in rows} == {"stop", "length"}
    assert synthesize_with(configure(generator=at("http://127.0.0.1:9/v1")), computed_here).n_asked == 0  # another address


@pytest.mark.parametrize(
    "faults",
    [
        {"busy": 9, "of": 10},
        {"dropped": 1, "of": 3},
        {"garbage": 1, "half": 1, "empty": 1, "odd": 1, "error": 1, "of": 7},
    ],
    ids=["busy nine times in ten", "dropped", "garbage"],
)
def test_faults_lose_nothing_and_double_nothing(faults: dict[str, float], faulty: ChatServer, configure: Configure) -> None:
    faulty.faults = faults
    summary = synthesize_with(configure(generator=at(url_of(faulty), retries=20)), computed_here)
    assert (summary.n_planned, summary.n_kept, summary.n_failed) == (6, 6, 0)
    assert next(faulty.numbers) > 6


def test_a_server_that_only_says_429_ends_with_a_count_and_what_it_answered_is_kept(
    faulty: ChatServer, configure: Configure
) -> None:
    config = configure(generator=at(url_of(faulty), give_up_after=20, concurrency=1, max_concurrency=1))
    faulty.faults = {"busy": 1, "of": 1}
    with pytest.raises(GeneratorError, match=r"20 failures in a row.*0 of 4 requests are done.*4 are open; nothing is lost"):
        synthesize_with(configure(generator=config.generator.model_dump(), source={"first": 4}), computed_here)
    assert next(faulty.numbers) == 20
    faulty.faults = {}
    first = synthesize_with(configure(generator=config.generator.model_dump(), source={"first": 4}), computed_here)
    assert (first.n_asked, first.n_kept) == (4, 4)
    whole = synthesize_with(config, computed_here)
    assert (whole.n_asked, whole.n_reused, whole.n_kept) == (2, 4, 6)


def test_a_request_that_fails_by_itself_is_a_failed_row_and_asked_again(faulty: ChatServer, configure: Configure) -> None:
    faulty.faults = {"garbage": 1, "of": 1}
    config = configure(generator=at(url_of(faulty), retries=2, give_up_after=100))
    summary = synthesize_with(config, computed_here)
    assert (summary.n_failed, summary.exit_code) == (6, GeneratorError.exit_code)
    assert next(faulty.numbers) == 6 * 3
    [(reason, n)] = summary.failed.items()
    assert (n, "expected" in reason, "(3 times)" in reason) == (6, True, True)
    faulty.faults = {}
    assert synthesize_with(config, computed_here).n_kept == 6


def test_a_prompt_that_the_server_refuses_fails_alone(faulty: ChatServer, configure: Configure, tmp_path: Path) -> None:
    from tests.synthesis.conftest import store

    documents = store(tmp_path / "long.parquet", [TEXTS[0], "word " * 1500, TEXTS[1]])
    summary = synthesize_with(configure(generator=at(url_of(faulty)), source={"documents": str(documents)}), computed_here)
    assert (summary.n_kept, summary.n_failed) == (2, 1)
    assert "status 400" in next(iter(summary.failed))


def test_a_server_that_is_too_slow_ends_in_time_with_a_count_and_goes_on_when_it_is_not(
    faulty: ChatServer, configure: Configure
) -> None:
    """Each try is given up after `timeout_seconds`, however long the server holds it; what is too late is not taken."""
    config = configure(generator=at(url_of(faulty), retries=1, timeout_seconds=0.3))
    held, real = Event(), faulty.completion

    def hold(given: dict[str, Any]) -> dict[str, Any]:
        held.wait(60)
        return real(given)

    faulty.completion = hold  # type: ignore[method-assign]
    summary = synthesize_with(config, computed_here)
    assert (summary.n_planned, summary.n_failed) == (6, 6)
    assert summary.failed == {"no answer within 0.3 seconds (2 times)": 6}
    held.set()
    faulty.completion = real  # type: ignore[method-assign]
    again = synthesize_with(configure(generator=at(url_of(faulty))), computed_here)
    assert (again.n_asked, again.n_kept, again.n_failed) == (6, 6, 0)


def test_one_slow_answer_holds_nobody_up(faulty: ChatServer, configure: Configure) -> None:
    """Five are answered while the first is held; the server lets it go when it has answered them."""
    others, real, n = Event(), faulty.completion, iter(range(1000))

    def hold_the_first(given: dict[str, Any]) -> dict[str, Any]:
        place = next(n)
        if place == 0:
            assert others.wait(60)
        found = real(given)
        if place == 5:
            others.set()
        return found

    faulty.completion = hold_the_first  # type: ignore[method-assign]
    summary = synthesize_with(configure(generator=at(url_of(faulty))), computed_here)
    assert (summary.n_kept, summary.n_failed, summary.n_asked) == (6, 0, 6)


def test_a_restart_in_the_middle_is_waited_for(model: Path, faulty: ChatServer, configure: Configure) -> None:
    """The server ends after three answers; another one on its port goes on."""
    import threading

    port = faulty.server_address[1]
    config = configure(generator=at(url_of(faulty), concurrency=1, max_concurrency=1, give_up_after=10_000))
    answered, second = threading.Event(), []
    real = faulty.completion

    def until_three(given: dict[str, Any]) -> dict[str, Any]:
        if next(done) >= 3:
            answered.set()
            raise ConnectionResetError
        return real(given)

    done = iter(range(1000))
    faulty.completion = until_three  # type: ignore[method-assign]
    faulty.handle_error = lambda *_: None  # type: ignore[method-assign]

    def restart() -> None:
        answered.wait(60)
        faulty.shutdown()
        faulty.server_close()
        server = ChatServer(faulty.model, {}, None, port)
        second.append(server)
        server.serve_forever(poll_interval=0.01)

    thread = threading.Thread(target=restart)
    thread.start()
    summary = synthesize_with(config, computed_here)
    second[0].shutdown()
    second[0].server_close()
    thread.join()
    assert (summary.n_kept, summary.n_failed, summary.n_asked) == (6, 0, 6)


def test_a_wrong_key_or_address_ends_at_once(faulty: ChatServer, configure: Configure) -> None:
    def refuse(handler: Any) -> None:
        handler.rfile.read(int(handler.headers["Content-Length"]))
        handler._send(401, b'{"error": {"message": "no such key"}}')

    faulty.RequestHandlerClass = type("Refusing", (faulty.RequestHandlerClass,), {"do_POST": refuse})  # type: ignore[assignment,arg-type]
    with pytest.raises(GeneratorError, match=r"status 401.*no such key.*OPENAI_API_KEY"):
        synthesize_with(configure(generator=at(url_of(faulty))), computed_here)


def test_in_flight_halve_once_for_all_that_were_in_flight_and_grow_by_one_a_round() -> None:
    import asyncio

    async def story() -> list[float]:
        pace, limits = Pace(8, 64, 0.001, 1000), list[float]()
        together = Turn(0)
        for _ in range(5):
            pace.busy(together, 0.0, "busy")
        limits.append(pace.limit)
        pace.busy(Turn(1), 0.0, "busy")
        limits.append(pace.limit)
        for _ in range(2):
            pace.answered()
        limits.append(pace.limit)
        for _ in range(10):
            pace.busy(Turn(pace._epoch), None, "busy")
        return [*limits, pace.limit]

    assert asyncio.run(story()) == pytest.approx([4, 2, 2.5 + 1 / 2.5 - 0.0, 1])


@pytest.mark.parametrize(
    ("given", "seconds", "read"),
    [
        ("2.5", 2.5, "seconds"),
        ("-1", 0, "seconds"),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, "date"),
        ("nan", None, "neither"),
        ("Wed, 21 Oct 99999 07:28:00 GMT", None, "neither"),
        (None, None, "no Retry-After"),
    ],
)
def test_retry_after_is_a_number_or_a_date(given: str | None, seconds: float | None, read: str) -> None:
    found, words = retry_after({} if given is None else {"retry-after": given})
    assert (found, read in words) == (seconds, True)
