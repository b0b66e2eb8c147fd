"""Answers of a transformers causal LM, in batches, wherever a process with the model is.

Each request has draws of its own: noise from its own seed is added to the logits (Gumbel's way of drawing), so that neither the
batch that it happens to be in nor the order of batches changes which draws it gets. Logits themselves differ in their last
digits between batches, so that the same seed gives mostly, and not always, the same text.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

import torch

from mixval.config.backbone import BackboneConfig
from mixval.config.fingerprint import fingerprint
from mixval.config.generators import SamplingConfig, TransformersGeneratorConfig
from mixval.errors import ChangedFileError, ModelError, reason_of
from mixval.models.identity import backbone_identity
from mixval.models.load import load_backbone
from mixval.models.tokenise import Tokeniser
from mixval.models.tokenizers import load_tokenizer
from mixval.stages.kept import LastMade
from mixval.stages.resident import pick_device
from mixval.synthesis.documents import TASK
from mixval.synthesis.requests import CUT, STOP, Answer, Failure, GeneratorIdentity, Request

_WHOLE_CONTEXT = 2**20
"""Asked of the backbone as its length; the model's own context limits it."""


@dataclass(frozen=True)
class Batch:
    """Requests that are answered together."""

    generator: TransformersGeneratorConfig
    sampling: SamplingConfig
    device: str
    requests: tuple[Request, ...]
    identity: GeneratorIdentity
    """Of the generator that the requests' keys name."""

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"generate {self.requests[0].key[:8]}"


Results = Callable[[Iterable[Batch]], Iterator[tuple[Batch, list[Answer | Failure] | Exception]]]
"""Who computes batches: this process, or a cluster's workers. They come as they are done."""


class BatchedGenerator:
    """A causal LM that answers in batches, wherever they are computed."""

    def __init__(self, config: TransformersGeneratorConfig, sampling: SamplingConfig, device: str, results: Results) -> None:
        """`results` computes batches."""
        self._config, self._sampling, self._device, self._results = config, sampling, device, results
        self.identity = local_identity(config)

    def ask(self, requests: Sequence[Request]) -> Iterator[Answer | Failure]:
        """Prompts of like length together. A batch that fails is tried again a request at a time, so that one fails alone."""
        ordered = sorted(requests, key=lambda one: len(one.system) + len(one.user))
        single: list[Request] = []
        for batch, found in self._results(self._batches(ordered, self._config.batch_rows)):
            if isinstance(found, Exception):
                single += batch.requests
            else:
                yield from found
        for batch, found in self._results(self._batches(single, 1)):
            yield from [Failure(batch.requests[0].key, reason_of(found))] if isinstance(found, Exception) else found

    def _batches(self, requests: Sequence[Request], size: int) -> Iterator[Batch]:
        rest = iter(requests)
        while chunk := tuple(islice(rest, size)):
            yield Batch(self._config, self._sampling, self._device, chunk, self.identity)


def computed_here(batches: Iterable[Batch]) -> Iterator[tuple[Batch, list[Answer | Failure] | Exception]]:
    """`Results` of this process. Raises what a batch raises: nobody else's data is to blame."""
    for batch in batches:
        yield batch, answer_batch(batch)


def local_identity(config: TransformersGeneratorConfig) -> GeneratorIdentity:
    """A folder is named by its files, a hub name by its revision."""
    key = backbone_identity(_backbone(config), TASK, None)
    return GeneratorIdentity(name=config.shown_name, revision=config.revision or fingerprint("generator", 1, key=key), key=key)


def answer_batch(batch: Batch) -> list[Answer | Failure]:
    """The answers to a batch, by a model that this process keeps. Raises ChangedFileError where it is another one by now."""
    device = pick_device(batch.device)
    if local_identity(batch.generator) != batch.identity:
        raise ChangedFileError(
            f"generator {batch.generator.model}: expected the files that the run named by their content, found others. Leave "
            "them alone during a run, and run again."
        )
    name = fingerprint("generator", 1, key=batch.identity.key, device=device)
    return _RESIDENT.get(name, lambda: LocalModel(batch.generator, device)).answers(batch.requests, batch.sampling)


class LocalModel:
    """A causal LM with its tokenizer, on one device."""

    def __init__(self, config: TransformersGeneratorConfig, device: str) -> None:
        """Load both. Raises ConfigError or ModelError, which say what to change."""
        backbone = load_backbone(_backbone(config), TASK, None, device)
        self._module = cast("Any", backbone.module)
        self._module.set_attn_implementation("sdpa")
        self._most = backbone.max_length
        self._place, self._name = backbone.device, config.shown_name
        tokenizer = load_tokenizer(_backbone(config), TASK)
        self._tokeniser = Tokeniser(tokenizer, "chat" if tokenizer.chat_template else "plain")
        self._ends = sorted(self._tokeniser.closing)

    def prompt_ids(self, requests: Sequence[Request]) -> list[list[int]]:
        """Tokens of each prompt, up to where the answer begins."""
        return self._tokeniser.openings([request.messages for request in requests])

    def answers(self, requests: Sequence[Request], sampling: SamplingConfig) -> list[Answer | Failure]:
        """An answer to each, or a failure where the prompt leaves no room for one."""
        began = time.perf_counter()
        prompts = self.prompt_ids(requests)
        fitting = [at for at, ids in enumerate(prompts) if 0 < len(ids) < self._most]
        found: list[Answer | Failure] = [
            Failure(one.key, f"the prompt has {len(ids):,} tokens, the generator takes fewer than {self._most:,}")
            for one, ids in zip(requests, prompts, strict=True)
        ]
        if not fitting:
            return found
        most = min(sampling.max_tokens, self._most - max(len(prompts[at]) for at in fitting))
        written = self._generate([prompts[at] for at in fitting], [requests[at].seed for at in fitting], sampling, most)
        seconds = (time.perf_counter() - began) / len(fitting)
        for at, ids in zip(fitting, written, strict=True):
            ended = bool(ids) and ids[-1] in self._ends
            own = ids[:-1] if ended else ids
            found[at] = Answer(
                key=requests[at].key,
                text=self._tokeniser.tokenizer.decode(own, skip_special_tokens=True),
                finish_reason=STOP if ended else CUT,
                prompt_tokens=len(prompts[at]),
                completion_tokens=len(ids),
                max_tokens=sampling.max_tokens,
                model=self._name,
                seconds=seconds,
            )
        return found

    def _generate(
        self, prompts: Sequence[list[int]], seeds: Sequence[int], sampling: SamplingConfig, most: int
    ) -> list[list[int]]:
        """Ids written after each prompt, the end token included where one ended it."""
        longest, pad = max(map(len, prompts)), self._tokeniser.pad_id
        ids = torch.tensor([[pad] * (longest - len(own)) + own for own in prompts], device=self._place)
        mask = torch.tensor([[0] * (longest - len(own)) + [1] * len(own) for own in prompts], device=self._place)
        with torch.inference_mode():
            out = self._module.generate(
                input_ids=ids,
                attention_mask=mask,
                do_sample=False,  # the draws are in the logits
                num_beams=1,
                max_new_tokens=most,
                eos_token_id=self._ends,
                pad_token_id=pad,
                logits_processor=_processors(sampling, seeds),
                use_cache=True,
            )
        return [self._until_end(row) for row in out[:, longest:].tolist()]

    def _until_end(self, ids: list[int]) -> list[int]:
        end = next((at for at, token in enumerate(ids) if token in self._ends), None)
        return ids if end is None else ids[: end + 1]


_RESIDENT = LastMade[LocalModel]()


class OwnDraws:
    """A logits processor: adds each row's own Gumbel noise, so that the largest logit is a draw from the softmax."""

    def __init__(self, seeds: Sequence[int]) -> None:
        """One seed a row."""
        self._draws = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, _ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """(N, V) scores with noise."""
        uniform = torch.stack([torch.rand(scores.shape[1], generator=own, dtype=torch.float64) for own in self._draws])
        noise = -torch.log(-torch.log(uniform.clamp_min(1e-300)))
        return scores.double() + noise.to(scores.device)


def _processors(sampling: SamplingConfig, seeds: Sequence[int]) -> Any:
    from transformers.generation.logits_process import LogitsProcessorList, TemperatureLogitsWarper, TopPLogitsWarper

    if sampling.temperature == 0:
        return LogitsProcessorList([])
    warpers = [TemperatureLogitsWarper(sampling.temperature)]
    warpers += [TopPLogitsWarper(sampling.top_p)] if sampling.top_p < 1 else []
    return LogitsProcessorList([*warpers, OwnDraws(seeds)])


def _backbone(config: TransformersGeneratorConfig) -> BackboneConfig:
    try:
        return BackboneConfig(path=config.model, revision=config.revision, dtype=config.dtype, max_length=_WHOLE_CONTEXT)
    except ValueError as error:
        raise ModelError(f"generator.model {config.model!r}: {error}") from error
