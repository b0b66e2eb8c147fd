"""Calls on the workers of one cluster: which of them each worker ran last, and what ends one.

A worker runs one call at a time and tells of it before it begins. So when a worker ends, the call that ran in it is known, and
no other is suspected: those that only waited there, as Dask's `KilledWorker` counts too, are given out again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any
from uuid import uuid4

from distributed import Client, Future, KilledWorker, Nanny, get_worker
from distributed.utils import sync

from mixval.errors import EndedWorkerError, LimitError

MEMORY_TOPIC = "worker-restart-memory"
"""Dask's, of the workers that a nanny ends because they have taken their memory."""
ENDED_TOPIC = "mixval-worker-ended"
"""Events with `worker`, an address, and `code`, with which its process ended (negative: by that signal)."""


@dataclass(frozen=True)
class Call:
    """A module function and its arguments, for a worker."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    label: str
    """What a message calls it: `gate news-03`."""
    most_seconds: float | None = None
    """Seconds that it may take on a worker. None: no limit."""


@dataclass(frozen=True)
class _Sent:
    """What a worker gets: the call, and where it tells that it begins."""

    call: Call
    token: str
    topic: str


@dataclass
class _Open:
    """A call that has no result yet."""

    call: Call
    future: Future | None = None
    timer: object | None = None
    is_over_time: bool = False


class Calls:
    """Calls through one client. From any thread."""

    def __init__(self, client: Client, retries: int) -> None:
        """`retries`: how often a call whose worker ended while it ran is given out again."""
        self._client, self._retries = client, retries
        self._topic = f"mixval-calls-{client.id}"
        self._lock = threading.Lock()
        self._open: dict[str, _Open] = {}
        self._last: dict[str, str] = {}
        self._codes: dict[str, int] = {}
        self._full: dict[str, int] = {}
        client.subscribe_topic(self._topic, self._begun)
        client.subscribe_topic(ENDED_TOPIC, lambda event: self._codes.update({event[1]["worker"]: event[1]["code"]}))
        client.subscribe_topic(MEMORY_TOPIC, lambda event: self._full.update({event[1]["worker"]: event[1]["rss"]}))

    def results(self, calls: Sequence[Call]) -> list[Any]:
        """The result of each call. With the first that fails the others are given up.

        Raises EndedWorkerError for a call in which its worker ended more than `retries` times, LimitError for one that took
        more than its seconds or than its worker's memory, and what a call raises.
        """
        tokens = [uuid4().hex for _ in calls]
        with self._lock:
            self._open |= {token: _Open(call) for token, call in zip(tokens, calls, strict=True)}
        done, finished = dict[str, Any](), SimpleQueue[tuple[str, Future]]()
        try:
            self._submit(tokens, finished)
            while len(done) < len(calls):
                token, future = finished.get()
                try:
                    done[token] = future.result()
                except KilledWorker:
                    self._ensure_may_go_on(token)
                    self._submit([token], finished)
                except CancelledError:
                    self._ensure_may_go_on(token)
                    raise
        finally:
            self._close(tokens)
        return [done[token] for token in tokens]

    def _submit(self, tokens: Sequence[str], finished: SimpleQueue[tuple[str, Future]]) -> None:
        if not tokens:
            return
        sent = [_Sent(self._open[token].call, token, self._topic) for token in tokens]
        futures = self._client.map(_told, sent, key=sent[0].call.function.__name__, pure=False)
        for token, future in zip(tokens, futures, strict=True):
            self._open[token].future = future
            future.add_done_callback(partial(_put, finished, token))

    def _ensure_may_go_on(self, token: str) -> None:
        """Raise where this call is to blame: it takes too long, or its workers ended while it ran."""
        with self._lock:
            own, ended = self._open[token], [worker for worker, last in self._last.items() if last == token]
        if own.is_over_time:
            raise LimitError(
                f"{own.call.label}: expected an end within {own.call.most_seconds:g} s, which `runtime.task_seconds` sets (by "
                "default from the plan), found it took more. It was ended. Look for rows that take a reader very long, or "
                "raise `runtime.task_seconds`."
            )
        if len(ended) <= self._retries:
            return
        if (rss := self._full.get(ended[-1])) is not None:
            raise LimitError(_too_large(own.call.label, f"it ended at {rss / 2**30:.2f} GiB, {_times(len(ended))}"))
        codes = [self._codes[worker] for worker in ended if worker in self._codes]
        how = "" if not codes else f" by signal {-codes[-1]}" if codes[-1] < 0 else f" with exit code {codes[-1]}"
        raise EndedWorkerError(
            f"{own.call.label}: expected a result, found that its worker process ended{how} while it ran, "
            f"{_times(len(ended))} (`runtime.retries: {self._retries}`). Nothing else ran in it. Look for rows on which a "
            "reader crashes, and leave them out."
        )

    def _begun(self, event: tuple[float, dict[str, str]]) -> None:
        """On the client's loop: a worker begins a call. It is told before the call can end the worker."""
        token, worker = event[1]["token"], event[1]["worker"]
        with self._lock:
            self._last[worker] = token
            own = self._open.get(token)
        if own is None:
            return
        self._disarm(own)
        if own.is_over_time:  # given out again by a scheduler of its own settings
            self._expire(token, worker)
        elif own.call.most_seconds is not None:
            own.timer = self._client.loop.call_later(own.call.most_seconds, self._expire, token, worker)

    def _expire(self, token: str, worker: str) -> None:
        """On the client's loop: the call's time is over. Its worker is ended from outside, as its code may hear nothing."""
        with self._lock:
            own = self._open.get(token)
            if own is None or self._last.get(worker) != token:
                return
            own.is_over_time = True
        self._client.loop.add_callback(self._end, own.future, worker)

    async def _end(self, future: Future, worker: str) -> None:
        await self._client._cancel([future], force=True)
        await self._client._run(_end_worker, nanny=True, workers=[worker], on_error="ignore")

    def _disarm(self, own: _Open) -> None:
        if own.timer is not None:
            self._client.loop.remove_timeout(own.timer)
            own.timer = None

    def _close(self, tokens: Sequence[str]) -> None:
        """Forget calls: those without a result are given up."""
        with self._lock:
            closed = [self._open.pop(token) for token in tokens]
            gone = set(tokens)
            self._last = {worker: last for worker, last in self._last.items() if last not in gone}
        for own in closed:
            self._client.loop.add_callback(self._disarm, own)
            if own.future is not None:
                own.future.release()


def _put(finished: SimpleQueue[tuple[str, Future]], token: str, future: Future) -> None:
    finished.put((token, future))


def _times(n: int) -> str:
    return "once" if n == 1 else f"{n} times"


def _too_large(label: str, found: str) -> str:
    return (
        f"{label}: expected at most the memory of a worker, which `runtime.worker_memory_bytes` sets, found that it takes more "
        f"({found}). Look for rows that grow when they are decoded, or give workers more memory."
    )


def _told(sent: _Sent) -> Any:
    """On a worker: the call's result. The scheduler knows that it runs here before it begins."""
    worker = get_worker()
    told = {"token": sent.token, "worker": worker.address}
    sync(worker.loop, worker.scheduler.log_event, topic=sent.topic, msg=told)
    try:
        return sent.call.function(*sent.call.arguments)
    except MemoryError as error:
        raise LimitError(_too_large(sent.call.label, " ".join(str(error).split()) or "no more was to be had")) from None


def _end_worker(dask_worker: Nanny) -> None:
    """In a nanny: end its worker at once. It starts another one."""
    process = dask_worker.process and dask_worker.process.process
    if process is not None and process.is_alive():
        process.kill()
