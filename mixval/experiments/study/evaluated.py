"""Losses of a study's trainings, as they were measured and as a repetition of the study could have given them.

Letters: S replicates, R mixtures, M held-out documents, B draws. The loss of a model is the mean over domains of the loss a
token. In draw b, documents are drawn with replacement within each domain, the same for all models. Replicates share training
documents, order and initialisation over mixtures: what all mixtures of one share is no noise of a comparison. With L_r a mean
over replicates, and within one size and budget,

    e_sr = L_sr - L_r - median_r (L_sr - L_r)
    s_r^2 = sum_s e_sr^2 / (S - 1),   sigma_r^2 = (f0 median_r s_r^2 + (S - 1) s_r^2) / (f0 + S - 1)

and the mean L_r of a draw gets sigma_r / sqrt(S) times Student's t with f0 + S - 1 degrees of freedom: a mixture's own noise,
which few replicates tell little of, is drawn towards that of its neighbours (f0 = 4), and one noisy mixture leaves the others
alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from mixval.contracts.schemas import table_schema
from mixval.experiments.study.preparing import Study
from mixval.experiments.study.trained import StudyJob, study_ref
from mixval.scaling.laws import Floats

DRAWS = 2_000
LEVEL = 0.9
BORROWED = 4
"""f0."""
LOSSES = table_schema(
    "study",
    [
        pa.field("synthetic", pa.string(), nullable=False),
        pa.field("per_cent", pa.float64(), nullable=False),
        pa.field("size", pa.string(), nullable=False),
        pa.field("params", pa.int64(), nullable=False),
        pa.field("params_with_embedding", pa.int64(), nullable=False),
        pa.field("tokens", pa.int64(), nullable=False),
        pa.field("replicate", pa.int64(), nullable=False),
        pa.field("real_epochs", pa.float64(), nullable=False),
        pa.field("synthetic_epochs", pa.float64(), nullable=False),
        pa.field("domain", pa.string(), nullable=False),
        pa.field("domain_tokens", pa.int64(), nullable=False),
        pa.field("loss", pa.float64(), nullable=False),
    ],
    synthetic="name of the synthetic text; empty for real text alone",
    per_cent="synthetic share of the tokens",
    params="without embeddings",
    loss="nats a token of the domain",
)


@dataclass(frozen=True)
class Cell:
    """All mixtures at one size and budget."""

    losses: Floats  # (S, R)
    draws: Floats  # (B, R), means over replicates


@dataclass(frozen=True)
class Evaluated:
    """All trainings."""

    study: Study
    nats: dict[str, Floats]
    """Label of a training -> (M,)."""
    n_tokens: Floats  # (M,)
    domain: np.ndarray  # (M,) position of each document's domain
    numbers: dict[str, dict[str, float]]
    """Label -> what its record says."""

    @cached_property
    def mixtures(self) -> list[tuple[str, float]]:
        """Synthetic text and per cent of each mixture; real text alone first."""
        return list(dict.fromkeys((_name(job), job.per_cent) for job in self.ordered))

    @cached_property
    def ordered(self) -> list[StudyJob]:
        """By size, budget, mixture and replicate."""
        config = self.study.config
        names = ["", *config.synthetic]
        return sorted(
            self.study.jobs,
            key=lambda job: (job.shape.params, job.tokens, names.index(_name(job)), job.per_cent, job.replicate),
        )

    def by_domain(self, job: StudyJob) -> Floats:
        """Loss a token of each domain."""
        nats, tokens = (np.bincount(self.domain, values) for values in (self.nats[job.label], self.n_tokens))
        return nats / tokens

    @cached_property
    def weights(self) -> Floats:
        """(B, M) how often each draw has each document."""
        random = np.random.default_rng(self.study.config.seed)
        found = np.zeros((DRAWS, len(self.domain)))
        for one in np.unique(self.domain):
            own = np.flatnonzero(self.domain == one)
            found[:, own] = random.multinomial(len(own), np.full(len(own), 1 / len(own)), DRAWS)
        return found

    @cached_property
    def cells(self) -> dict[tuple[str, int], Cell]:
        """By name of the size, and tokens."""
        groups: dict[tuple[str, int], list[StudyJob]] = {}
        for job in self.ordered:
            groups.setdefault((job.shape.name, job.tokens), []).append(job)
        random = np.random.default_rng(self.study.config.seed + 1)
        return {place: self._cell(jobs, random) for place, jobs in groups.items()}

    def _cell(self, jobs: list[StudyJob], random: np.random.Generator) -> Cell:
        shape = (len(self.mixtures), self.study.config.replicates)
        losses = np.array([self.by_domain(job).mean() for job in jobs]).reshape(shape).T
        drawn = np.stack([self._redrawn(job) for job in jobs], axis=1).reshape(DRAWS, *shape).mean(axis=2)
        return Cell(losses, drawn + noise_of_means(losses, random, DRAWS))

    def _redrawn(self, job: StudyJob) -> Floats:
        """(B,) the training's loss on redrawn documents."""
        found = np.zeros(DRAWS)
        for one in np.unique(self.domain):
            own = np.flatnonzero(self.domain == one)
            found += (self.weights[:, own] @ self.nats[job.label][own]) / (self.weights[:, own] @ self.n_tokens[own])
        redrawn: Floats = found / len(np.unique(self.domain))
        return redrawn


def noise_of_means(losses: Floats, random: np.random.Generator, n: int) -> Floats:
    """(n, R) noise of means over the replicates of losses (S, R); nothing where there is one replicate."""
    n_replicates, n_mixtures = losses.shape
    if n_replicates < 2:
        return np.zeros((n, n_mixtures))
    away = losses - losses.mean(axis=0)
    left = away - np.median(away, axis=1, keepdims=True)
    left -= left.mean(axis=0)
    own = np.sum(left**2, axis=0) / (n_replicates - 1)
    free = BORROWED + n_replicates - 1
    sigma = np.sqrt((BORROWED * np.median(own) + (n_replicates - 1) * own) / free)
    noise: Floats = sigma / np.sqrt(n_replicates) * random.standard_t(free, (n, n_mixtures))
    return noise


def read_evaluated(study: Study) -> Evaluated:
    """The committed trainings. Raises StorageError where one is not committed."""
    nats, numbers, n_tokens, domain = {}, {}, np.empty(0), np.empty(0, dtype=np.int64)
    names = [text.name.removeprefix("held_out ") for text in study.jobs[0].held_out]
    for job in study.jobs:
        ref = study_ref(job)
        found = job.store.read_table(ref, "losses")
        record = job.store.committed(ref)
        nats[job.label] = found["nats"].to_numpy()
        numbers[job.label] = {name: float(value or 0) for name, value in record.numbers.items()} if record else {}
        n_tokens = found["n_tokens"].to_numpy().astype(float)
        domain = np.array([names.index(one.removeprefix("held_out ")) for one in found["domain"].to_pylist()])
    return Evaluated(study, nats, n_tokens, domain, numbers)


def losses_table(found: Evaluated) -> pa.Table:
    """All trainings under `LOSSES`, a row a training and domain."""
    tokens, rows = np.bincount(found.domain, found.n_tokens).astype(int), []
    for job in found.ordered:
        numbers = found.numbers[job.label]
        for at, name in enumerate(found.study.config.held_out):
            rows.append(
                {
                    "synthetic": _name(job),
                    "per_cent": job.per_cent,
                    "size": job.shape.name,
                    "params": job.shape.params,
                    "params_with_embedding": job.shape.params_with(job.vocabulary),
                    "tokens": job.tokens,
                    "replicate": job.replicate,
                    "real_epochs": numbers["real_epochs"],
                    "synthetic_epochs": numbers["synthetic_epochs"],
                    "domain": name,
                    "domain_tokens": tokens[at],
                    "loss": float(found.by_domain(job)[at]),
                }
            )
    return pa.Table.from_pylist(rows, schema=LOSSES)


def span_of(draws: Floats) -> tuple[float, float]:
    """Central interval of draws."""
    low, high = np.quantile(draws, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return float(low), float(high)


def _name(job: StudyJob) -> str:
    return "" if job.synthetic is None else job.synthetic.name
