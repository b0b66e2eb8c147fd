"""What a run would take: requests, tokens, cost and hours. Nothing is written, and no server is contacted."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import islice

from mixval.config.base import FrozenModel
from mixval.config.generators import SamplingConfig, ServerGeneratorConfig, TransformersGeneratorConfig
from mixval.config.synthesis import SynthesisConfig
from mixval.stages.resident import pick_device
from mixval.synthesis.local import LocalModel
from mixval.synthesis.requests import Answer, Request
from mixval.synthesis.running import Synthesis
from mixval.synthesis.whole import begin

CHARS_A_TOKEN = 4.0
"""Of English, where no tokenizer is at hand."""
OUTLINE_TOKENS = 600
"""Tokens of an outline of ten chapters, where the journal has none."""
TRIED_ROWS, TRIED_TOKENS = 8, 8


class Estimate(FrozenModel):
    """What a run would take."""

    n_documents: int
    n_requests: int
    """Those with an answer in the journal included."""
    n_answered: int
    prompt_tokens: int
    """Of the open requests."""
    completion_tokens: int
    most_completion_tokens: int
    """Where every answer took all it may."""
    cost: float | None
    """In the currency of the prices. None: no prices are given."""
    hours: float | None
    """None: nothing tells how long an answer takes."""
    basis: list[str]
    """What the figures rest on, a sentence each."""

    @property
    def n_open(self) -> int:
        """Requests that would be asked."""
        return self.n_requests - self.n_answered


def estimated(config: SynthesisConfig, n_workers: int) -> Estimate:
    """The estimate of a configuration, for so many workers of a local model."""
    synthesis = begin(config)
    seen, n_later = _Seen(), 0
    for chunk in synthesis.documents():
        for document in chunk:
            first = synthesis.cook.first(document)
            seen.take(first, synthesis)
            if synthesis.has_chapters:
                for planned in synthesis.planned(document):
                    seen.take(planned.request, synthesis)
                    n_later += planned.request is None and bool(document.text)  # its outline is not there
    n_open = len(seen.open) + n_later
    tokens = seen.mean_tokens or config.target_tokens
    completion = round(n_open * min(tokens, config.sampling.max_tokens))
    prompt_chars = seen.open_chars + n_later * (OUTLINE_TOKENS * CHARS_A_TOKEN + 400)
    basis = [_answers_words(seen, config), *_cut_words(tokens, config)]
    model = None if isinstance(config.generator, ServerGeneratorConfig) else LocalModel(config.generator, _device(config))
    chars_a_token = CHARS_A_TOKEN if model is None else _measured_chars(model, seen.open)
    prompt = round(prompt_chars / chars_a_token)
    hours, words = _hours(config, seen, model, n_open, completion, n_workers)
    return Estimate(
        n_documents=synthesis.n_documents,
        n_requests=n_open + seen.n_answered,
        n_answered=seen.n_answered,
        prompt_tokens=prompt,
        completion_tokens=completion,
        most_completion_tokens=n_open * config.sampling.max_tokens,
        cost=_cost(config, prompt, completion),
        hours=hours,
        basis=[*basis, words],
    )


class _Seen:
    """Requests as they are gone through; those of the same key once."""

    def __init__(self) -> None:
        self.n_answered = self.open_chars = 0
        self.open: list[Request] = []
        self.seconds: list[float] = []
        self._tokens: list[int] = []
        self._keys: set[str] = set()

    @property
    def mean_tokens(self) -> float | None:
        return sum(self._tokens) / len(self._tokens) if self._tokens else None

    def take(self, request: Request | None, synthesis: Synthesis) -> None:
        if request is None or request.key in self._keys:
            return
        self._keys.add(request.key)
        found = synthesis.answer(request)
        if isinstance(found, Answer):
            self.n_answered += 1
            self.seconds.append(found.seconds)
            self._tokens += [found.completion_tokens] if found.completion_tokens is not None else []
            return
        self.open_chars += len(request.system) + len(request.user)
        self.open.append(request)


def _answers_words(seen: _Seen, config: SynthesisConfig) -> str:
    if seen.mean_tokens is not None:
        return f"Length of answers: {seen.mean_tokens:,.0f} tokens, the mean of {seen.n_answered:,} in the journal."
    return (
        f"Length of answers: {config.target_tokens:,} tokens, the recipe's target. A run with `source.first: 20` measures it: "
        "what it asks is reused."
    )


def _cut_words(tokens: float, config: SynthesisConfig) -> list[str]:
    most = config.sampling.max_tokens
    if not config.filters.cut or most >= tokens:
        return []
    return [f"Answers of that length are cut by `sampling.max_tokens` of {most:,} and dropped: raise it."]


def _cost(config: SynthesisConfig, prompt: int, completion: int) -> float | None:
    chosen = config.generator
    if not isinstance(chosen, ServerGeneratorConfig) or chosen.input_price is None or chosen.output_price is None:
        return None
    return (prompt * chosen.input_price + completion * chosen.output_price) / 1e6


def _hours(
    config: SynthesisConfig, seen: _Seen, model: LocalModel | None, n_open: int, completion: int, n_workers: int
) -> tuple[float | None, str]:
    if not n_open:
        return 0.0, "Time: nothing is open."
    if model is not None and isinstance(config.generator, TransformersGeneratorConfig):
        seconds = _seconds_a_batch(model, seen.open, config.generator.batch_rows, completion / n_open)
        n_batches = -(-n_open // config.generator.batch_rows)
        words = f"Time: {seconds:.3g} s a batch, measured on one just now, on {n_workers} workers of this machine's speed."
        return n_batches * seconds / n_workers / 3600, words
    if seen.seconds and isinstance(config.generator, ServerGeneratorConfig):
        mean = sum(seen.seconds) / len(seen.seconds)
        words = f"Time: {mean:.3g} s an answer, the journal's mean, {config.generator.concurrency} in flight."
        return n_open * mean / config.generator.concurrency / 3600, words
    return None, "Time: no answer of this generator is in the journal yet. A run with `source.first: 20` measures it."


def _seconds_a_batch(model: LocalModel, requests: Sequence[Request], batch_rows: int, tokens: float) -> float:
    """Seconds of a batch: reading the prompts, and a token at a time."""
    tried = list(islice(requests, min(TRIED_ROWS, batch_rows)))
    took = []
    for n in (1, 1, 1 + TRIED_TOKENS):  # the first pays for what is made once
        began = time.perf_counter()
        model.answers(tried, SamplingConfig(temperature=0, max_tokens=n))
        took.append(time.perf_counter() - began)
    a_token = max(took[2] - took[1], 0.0) / TRIED_TOKENS
    return took[1] * batch_rows / max(len(tried), 1) + a_token * tokens


def _measured_chars(model: LocalModel, requests: Sequence[Request]) -> float:
    tried = list(islice(requests, 32))
    n_tokens = sum(map(len, model.prompt_ids(tried)))
    return sum(len(one.system) + len(one.user) for one in tried) / n_tokens if n_tokens else CHARS_A_TOKEN


def _device(config: SynthesisConfig) -> str:
    return pick_device(config.runtime.device)
