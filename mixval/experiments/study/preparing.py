"""What a study will train: the streams of its texts, and one job a size, budget, mixture and replicate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from mixval.contracts.plan import content_digest
from mixval.errors import ConfigError
from mixval.experiments.grid import Trainings, make_stage, train_all
from mixval.experiments.study.config import StudyConfig
from mixval.experiments.study.texts import (
    TextJob,
    list_texts,
    make_stream,
    n_tokens,
    stream_ref,
    vocabulary_size,
)
from mixval.experiments.study.trained import StudyJob, Text, study_ref, train_study
from mixval.experiments.study.windows import epochs, n_synthetic, n_windows
from mixval.seeds import derive_seed
from mixval.stages.steps import Step, one_call
from mixval.stages.whole_run import Maker
from mixval.telemetry.facts import DataUsed

REAL = "real"
"""Name of the natural text in messages and tables."""


@dataclass(frozen=True)
class Study:
    """The jobs of a study, the longest first."""

    config: StudyConfig
    texts: dict[str, TextJob]
    """The real text, then the synthetic ones, by name; then the held-out ones, as `held_out NAME`."""
    streams: dict[str, Text]
    """The same, as what is made of them."""
    jobs: tuple[StudyJob, ...]

    @cached_property
    def making(self) -> list[Step]:
        """The steps that make the streams."""
        return [
            one_call(f"tokens {name}", job.store, self.streams[name].ref, make_stream, job, self.streams[name].ref)
            for name, job in self.texts.items()
        ]

    @cached_property
    def steps(self) -> list[Step]:
        """One a job. The longest come first: the last to finish are then short ones, and no worker idles at the end."""
        return [
            one_call(f"training {job.label}", job.store, study_ref(job), train_study, job, reads=lambda: self.making)
            for job in self.jobs
        ]

    @property
    def used(self) -> list[DataUsed]:
        """All texts."""
        used = []
        for name, job in self.texts.items():
            digest = content_digest([shard for _, shards in list_texts(job) for shard in shards])
            used += [DataUsed(url, digest, "target" if name in self.held_out else "contributors") for url in job.urls]
        return used

    @property
    def held_out(self) -> list[str]:
        """Names in `texts` of the held-out domains."""
        return [f"held_out {name}" for name in self.config.held_out]


def prepare(config: StudyConfig) -> Study:
    """Lists files and loads the tokenizer. Raises StorageError and ContractError for texts that are not there, ModelError for
    a tokenizer that cannot be read."""
    urls = {REAL: config.real_urls} | {name: [url] for name, url in config.synthetic.items()}
    texts = {name: _text(config, name, own) for name, own in urls.items()}
    for name, url in config.held_out.items():
        texts[f"held_out {name}"] = _text(config, name, [url], config.evaluation_documents)
    streams = {name: Text(name=job.name, ref=stream_ref(job)) for name, job in texts.items()}
    vocabulary = vocabulary_size(texts[REAL])
    jobs = sorted(_jobs(config, streams, vocabulary), key=lambda job: -(job.shape.params + vocabulary) * job.tokens)
    return Study(config, texts, streams, tuple(jobs))


def train(study: Study, maker: Maker) -> Trainings:
    """Make the streams and the trainings that are missing. Raises ConfigError where a text is too short for a training."""
    make_stage("tokens", "texts", study.making, maker)
    check_epochs(study, token_counts(study))
    return train_all(study.steps, maker)


def token_counts(study: Study) -> dict[str, int]:
    """Tokens of each committed stream, by name."""
    return {name: n_tokens(study.texts[name].store, text.ref) for name, text in study.streams.items()}


def check_epochs(study: Study, counts: dict[str, int], roughly: str = "") -> None:
    """Raises ConfigError where a training would go through a text more than `most_epochs` times."""
    needed = most_epochs(study, counts)
    name = max(needed, key=lambda one: needed[one])
    limit = study.config.most_epochs
    if needed[name] > limit:
        raise ConfigError(
            f"`budgets`: the largest, {study.config.budgets[-1]:,} tokens, takes {roughly}{needed[name]:.2f} passes over "
            f"`{name}`, which has {roughly}{counts[name]:,} tokens; `most_epochs` is {limit:g}. Lower the budget or the "
            "ratios, add text, or raise `most_epochs`: repeated text is then told."
        )


def most_epochs(study: Study, counts: dict[str, int]) -> dict[str, float]:
    """Most passes over each training text, by name."""
    config, context = study.config, study.config.recipe.context
    n = config.budgets[-1] // context
    shares = {REAL: n - n_synthetic(n, config.ratios[0])} | {
        name: n_synthetic(n, config.ratios[-1]) for name in config.synthetic
    }
    return {name: epochs(most, n_windows(counts[name], context)) for name, most in shares.items()}


def _jobs(config: StudyConfig, streams: dict[str, Text], vocabulary: int) -> Iterator[StudyJob]:
    held_out = [streams[f"held_out {name}"] for name in config.held_out]
    mixtures = [(name, ratio) for name in config.synthetic for ratio in config.ratios if ratio > 0]
    for shape in config.shapes:
        for tokens in config.budgets:
            for name, ratio in [("", 0.0), *mixtures]:
                for replicate in range(1, config.replicates + 1):
                    yield StudyJob(
                        output=config.output,
                        storage=config.storage,
                        vocabulary=vocabulary,
                        real=streams[REAL],
                        synthetic=streams[name] if name else None,
                        held_out=held_out,
                        per_cent=ratio,
                        tokens=tokens,
                        shape=shape,
                        recipe=config.recipe,
                        evaluation_context=config.evaluation_context,
                        replicate=replicate,
                        seed=derive_seed("study", config.seed, replicate),
                        device=config.runtime.device,
                    )


def _text(config: StudyConfig, name: str, urls: list[str], first: int | None = None) -> TextJob:
    return TextJob(
        name=name,
        urls=urls,
        column=config.column,
        storage=config.storage,
        tokenizer=config.tokenizer,
        output=config.output,
        first=first,
    )
