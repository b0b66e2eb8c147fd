"""What a generator is asked, and what comes of it. A request's key names it: the same key is never asked twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import Field

from mixval.config.base import FrozenModel
from mixval.config.fingerprint import fingerprint
from mixval.config.generators import SamplingConfig
from mixval.seeds import derive_seed

VERSION = 1
"""Raised when the same key would name another request."""
STOP, CUT = "stop", "length"
"""Why an answer ends: the generator ended it, or `max_tokens` did. Servers have other words besides."""


class GeneratorIdentity(FrozenModel):
    """What tells one generator from another."""

    name: str
    """As rows say it in `source`."""
    revision: str
    """Of a folder, a digest of its files."""
    key: dict[str, Any] = Field(default_factory=dict)
    """All that its answers depend on besides parameters and seed. Where it runs is not in it."""


@dataclass(frozen=True)
class Request:
    """One prompt for a generator."""

    key: str
    """32 hex digits of document, template, generator, parameters, seed and step; `max_tokens` is not in it."""
    system: str
    user: str
    seed: int
    """Of its own draws."""

    @property
    def messages(self) -> list[dict[str, Any]]:
        """As chat messages."""
        system = [{"role": "system", "content": self.system}] if self.system else []
        return [*system, {"role": "user", "content": self.user}]


class Answer(FrozenModel):
    """What a generator answered to a request, as the journal keeps it."""

    key: str
    text: str
    """As it came."""
    finish_reason: str
    prompt_tokens: int | None
    """None where a server does not count them."""
    completion_tokens: int | None
    max_tokens: int
    """Most tokens that it might have."""
    model: str
    """What the generator calls itself."""
    seconds: float
    """From the request to the answer; of a batch, its share."""

    def serves(self, max_tokens: int) -> bool:
        """Whether a request with this limit would be answered alike: nothing was cut, and it fits; or it is the same limit."""
        if self.max_tokens == max_tokens:
            return True
        fits = self.completion_tokens is not None and self.completion_tokens <= max_tokens
        return self.finish_reason != CUT and (fits or max_tokens > self.max_tokens)


@dataclass(frozen=True)
class Failure:
    """A request that got no answer. It is asked again by the next run."""

    key: str
    reason: str


class Generator(Protocol):
    """What answers requests."""

    @property
    def identity(self) -> GeneratorIdentity:
        """What tells it from another."""

    def ask(self, requests: Sequence[Request]) -> Iterator[Answer | Failure]:
        """An answer or a failure for each, as they come. Raises GeneratorError where it makes no sense to go on."""


def make_request(
    messages: tuple[str, str],
    step: str,
    digests: dict[str, str],
    identity: GeneratorIdentity,
    sampling: SamplingConfig,
    seed: int,
) -> Request:
    """The request with this system and user message; `digests` name what it was made from."""
    key = fingerprint(
        "synthesis-request",
        VERSION,
        step=step,
        made_from=digests,
        generator=identity.key,
        parameters={"temperature": sampling.temperature, "top_p": sampling.top_p},
        seed=seed,
    )
    return Request(key, *messages, seed=derive_seed(seed, "request", key) % 2**31)
