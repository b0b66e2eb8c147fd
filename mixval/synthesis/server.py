"""Answers of a server that speaks the OpenAI chat-completions protocol, many requests in flight.

The official client with its own repetitions off; one layer of repetitions here (tenacity). An answer counts when it is whole: a
completion with a choice, text and a reason why it ends.
"""

from __future__ import annotations

import asyncio
import os
import re
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from queue import SimpleQueue
from types import TracebackType
from typing import TYPE_CHECKING, Any

from mixval.config.generators import SamplingConfig, ServerGeneratorConfig
from mixval.errors import ConfigError, GeneratorError
from mixval.installing import install_command
from mixval.synthesis.pace import MOST_PAUSE_SECONDS, Pace, Turn
from mixval.synthesis.requests import CUT, STOP, Answer, Failure, GeneratorIdentity, Request

if TYPE_CHECKING:
    from tenacity import RetryCallState

_BUSY = 429
_REFUSED = (401, 403, 404)
"""Statuses that every request would get: a wrong key, model or address."""
_AWAY = (502, 503, 529)
"""Statuses that say that the server is away for all."""
WORDS_SHOWN = 300
_SECONDS = re.compile(r"\s*-?\d{1,12}(?:\.\d*)?\s*")


@dataclass(frozen=True)
class _Setback:
    """A request got no answer, and may be sent again."""

    words: str
    is_own: bool
    """Whether it failed by itself. Else the server is busy or away, and it is sent again however often."""


class ServerGenerator:
    """A model behind a server. Use as a context: it has an event loop in a thread of its own."""

    def __init__(self, config: ServerGeneratorConfig, sampling: SamplingConfig) -> None:
        """Nothing is contacted yet. Raises ConfigError where the client is not installed."""
        try:
            import openai
            import tenacity  # noqa: F401
        except ImportError as error:
            raise ConfigError(
                f"generator.kind `openai`: expected the packages openai and tenacity, found none. Run: "
                f"{install_command('synthesis')}"
            ) from error
        self._config, self._sampling = config, sampling
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="generator")
        self._openai = openai
        self.identity = server_identity(config)

    def __enter__(self) -> ServerGenerator:
        """Start the loop."""
        self._thread.start()
        self._within(self._open())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Give up what is in flight, and end the loop."""
        self._within(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def ask(self, requests: Sequence[Request]) -> Iterator[Answer | Failure]:
        """An answer or a failure for each, as they come.

        Raises GeneratorError where the server refuses all, or fails too often in a row; what was answered has been given then.
        """
        found = SimpleQueue[Answer | Failure | None]()
        whole: Future[None] = asyncio.run_coroutine_threadsafe(self._ask_all(requests, found), self._loop)
        whole.add_done_callback(lambda _: found.put(None))
        n_done = 0
        try:
            while (result := found.get()) is not None:
                n_done += 1
                yield result
        finally:
            whole.cancel()
        try:
            whole.result()
        except GeneratorError as error:
            raise GeneratorError(
                f"{self._config.base_url}: {error} {n_done:,} of {len(requests):,} requests are done "
                f"and in the journal, {len(requests) - n_done:,} are open; nothing is lost. Run again when it answers."
            ) from error

    async def _open(self) -> None:
        config = self._config
        self._pace = Pace(config.concurrency, config.max_concurrency, config.retry_seconds, config.give_up_after)
        self._client: Any = self._openai.AsyncOpenAI(
            api_key=os.environ.get(config.key_variable) or "none",
            base_url=config.base_url,
            max_retries=0,
            timeout=config.timeout_seconds,
        )

    async def _close(self) -> None:
        own = asyncio.current_task()
        for task in asyncio.all_tasks():
            if task is not own:
                task.cancel()
        await self._client.close()

    def _within(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _ask_all(self, requests: Sequence[Request], found: SimpleQueue[Answer | Failure | None]) -> None:
        """A fixed number of askers take one request after the other, so that a million of them are no million tasks."""
        rest = iter(requests)

        async def asker() -> None:
            for request in rest:
                found.put(await self._result(request))

        n_askers = min(len(requests), self._config.max_concurrency)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(n_askers):
                    group.create_task(asker())
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None

    async def _result(self, request: Request) -> Answer | Failure:
        from tenacity import AsyncRetrying, retry_if_result

        tries = _Tries(self._config.retries, self._config.retry_seconds)
        repeated = AsyncRetrying(
            retry=retry_if_result(lambda found: isinstance(found, _Setback)),
            stop=tries.are_used,
            wait=tries.wait,
            retry_error_callback=lambda state: state.outcome and state.outcome.result(),
        )
        found: Answer | Failure | _Setback = await repeated(self._attempt, request, tries)
        return Failure(request.key, f"{found.words} ({tries.n} times)") if isinstance(found, _Setback) else found

    async def _attempt(self, request: Request, tries: _Tries) -> Answer | Failure | _Setback:
        async with self._pace.turn() as turn:
            before = self._pace.n_answered
            found = await self._sent(request, turn, before)
            if isinstance(found, Answer):
                self._pace.answered()
            elif isinstance(found, _Setback) and found.is_own:
                tries.n += 1
                self._pace.failed(found.words)
            return found

    async def _sent(self, request: Request, turn: Turn, n_before: int) -> Answer | Failure | _Setback:
        """What comes of sending it once. Raises GeneratorError for what any other request would get, too."""
        began = time.perf_counter()
        try:
            return self._validated(await self._completion(request), request, began)
        except self._openai.APIStatusError as error:
            return self._of_status(error, request, turn)
        except self._openai.APITimeoutError:
            return _Setback(f"no answer within {self._config.timeout_seconds:g} seconds", is_own=True)
        except self._openai.APIConnectionError as error:
            # A server that answers others meanwhile is there: then it is this request that it drops.
            words = f"the connection was dropped: {_shown(error.__cause__ or error)}"
            is_own = self._pace.n_answered > n_before
            if not is_own:
                self._pace.busy(turn, None, words)
            return _Setback(words, is_own)
        except (self._openai.APIError, ValueError, TypeError, LookupError, AttributeError) as error:  # what garbage raises
            return _Setback(f"expected a completion, found {_shown(error)}", is_own=True)

    async def _completion(self, request: Request) -> Any:
        config, sampling = self._config, self._sampling
        fields: dict[str, Any] = {config.limit_field: sampling.max_tokens}
        fields |= {"seed": request.seed} if config.sends_seed else {}
        fields |= {"temperature": sampling.temperature, "top_p": sampling.top_p}
        return await self._client.chat.completions.create(model=config.model, messages=request.messages, **fields)

    def _validated(self, completion: Any, request: Request, began: float) -> Answer | _Setback:
        """The answer in a completion. The client checks no types: a server's JSON may be anything."""
        choices = getattr(completion, "choices", None)
        if not isinstance(choices, list) or not choices:
            return _Setback(f"expected a completion with a choice, found {_shown(completion)}", is_own=True)
        text, reason = getattr(choices[0].message, "content", None), choices[0].finish_reason
        if not isinstance(text, str) or not isinstance(reason, str):
            return _Setback(f"expected text and why it ends, found {_shown(choices[0])}", is_own=True)
        usage = getattr(completion, "usage", None)
        return Answer(
            key=request.key,
            text=text.encode("utf-8", "replace").decode(),
            finish_reason=CUT if reason == CUT else STOP if reason == STOP else reason,
            prompt_tokens=_count(getattr(usage, "prompt_tokens", None)),
            completion_tokens=_count(getattr(usage, "completion_tokens", None)),
            max_tokens=self._sampling.max_tokens,
            model=str(getattr(completion, "model", None) or self._config.model)[:WORDS_SHOWN],
            seconds=time.perf_counter() - began,
        )

    def _of_status(self, error: Any, request: Request, turn: Turn) -> Failure | _Setback:
        status, words = int(error.status_code), _shown(error)
        if status in _REFUSED:
            raise GeneratorError(
                f"expected answers of the model {self._config.model!r}, found status {status}: {words}. Check "
                f"`generator.base_url`, `generator.model` and the key in {self._config.key_variable}."
            )
        if status == _BUSY or status in _AWAY:
            seconds, read = retry_after(error.response.headers)
            self._pace.busy(turn, seconds, f"status {status}: {words} ({read})")
            return _Setback(words, is_own=False)
        if status >= 500 or status in (408, 409):
            return _Setback(f"status {status}: {words}", is_own=True)
        return Failure(request.key, f"status {status}: {words}")


class _Tries:
    """Of one request: how often it has failed by itself, and how long it waits."""

    def __init__(self, retries: int, first: float) -> None:
        self.n = 0
        self._retries, self._first = retries, first

    def are_used(self, _state: RetryCallState) -> bool:
        return self.n > self._retries

    def wait(self, state: RetryCallState) -> float:
        """Seconds before it is sent again. Where the server is busy or away, all requests wait together instead (`Pace`)."""
        found = state.outcome.result() if state.outcome is not None else None
        is_own = isinstance(found, _Setback) and found.is_own
        return min(self._first * 2 ** max(self.n - 1, 0), MOST_PAUSE_SECONDS) if is_own else 0.0


def server_identity(config: ServerGeneratorConfig) -> GeneratorIdentity:
    """By model and revision: where the server stands is not in it."""
    key = {"kind": "openai", "model": config.model, "revision": config.revision}
    return GeneratorIdentity(name=config.shown_name, revision=config.revision, key=key)


def retry_after(headers: Any) -> tuple[float | None, str]:
    """Seconds that `Retry-After` asks for, and what was read: `seconds` or `date`; None and why, where it is neither."""
    given = headers.get("retry-after")
    if given is None:
        return None, "no Retry-After"
    if _SECONDS.fullmatch(given) is not None:
        return max(0.0, float(given)), "seconds"
    try:
        until = parsedate_to_datetime(given)
    except ValueError as error:
        return None, f"Retry-After is neither seconds nor a date ({_shown(error)})"
    return max(0.0, until.timestamp() - time.time()), "date"


def _count(given: Any) -> int | None:
    return given if isinstance(given, int) and not isinstance(given, bool) and given >= 0 else None


def _shown(error: Any) -> str:
    words = " ".join(str(error).split())
    return (f"{type(error).__name__}: {words}" if isinstance(error, BaseException) else words)[:WORDS_SHOWN]
