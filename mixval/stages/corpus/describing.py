"""From counts to what is said of each corpus: statistics with intervals, distances, gaps, support, phrases."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from mixval.contracts.parts import REAL, SYNTHETIC
from mixval.corpus.counts import CorpusCounts
from mixval.corpus.distance import distances, kl_floor
from mixval.corpus.gaps import Gaps, gaps
from mixval.corpus.jackknife import Estimate, estimates
from mixval.corpus.ngrams import tokens_of
from mixval.corpus.support import DISTINCT, corpus_statistics, distinct_at
from mixval.corpus.zipf import power_law
from mixval.models.token_stream import TokenStream
from mixval.progress import current
from mixval.seeds import generator
from mixval.stages.corpus.gathering import Corpus

ALL = "all"
MOST_GAPS, MOST_PHRASES = 50, 10
LEAST_TOKENS = 1000
"""Of a corpus, so that it is compared with others at equal numbers of tokens."""
Losses = Mapping[str, np.ndarray]
"""Target -> (V,) a model's losses on it, summed by token."""


@dataclass(frozen=True)
class Described:
    """One corpus, or a part of it."""

    name: str
    part: str
    is_target: bool
    counts: CorpusCounts
    statistics: dict[str, Estimate]
    to_targets: dict[str, dict[str, Estimate]]
    gaps: dict[str, Gaps]


@dataclass(frozen=True)
class SupportRatio:
    """Distinct n-grams of one corpus over those of another, at equal numbers of tokens."""

    name: str
    part: str
    against: str
    ratios: dict[str, Estimate]


def parts_of(corpora: Sequence[Corpus]) -> list[tuple[Corpus, str, CorpusCounts]]:
    """Each corpus whole, and its real and synthetic part where it has both."""
    found = []
    for corpus in corpora:
        found.append((corpus, ALL, corpus.whole()))
        if REAL in corpus.parts and SYNTHETIC in corpus.parts:
            found += [(corpus, part, corpus.parts[part]) for part in (REAL, SYNTHETIC)]
    return found


def equal_tokens(parts: Sequence[tuple[Corpus, str, CorpusCounts]]) -> int:
    """Tokens at which all of them are compared: what each has without any one group; 0 where nobody has enough."""
    kept = [counts.n_tokens - int(counts.unigrams.sum(axis=1).max()) for _, _, counts in parts]
    return min((n_tokens for n_tokens in kept if n_tokens >= LEAST_TOKENS), default=0)


def describe(corpora: Sequence[Corpus], targets: Sequence[Corpus], losses: Losses) -> tuple[list[Described], int]:
    """All corpora and targets, and the tokens at which they are compared."""
    parts = parts_of([*targets, *corpora])
    n_equal = equal_tokens(parts)
    aims = {one.name: one.whole().without(None).unigrams for one in targets}
    found = []
    current().begin("describe", len(parts))
    for corpus, part, counts in parts:
        current().step("describe", corpus.name if part == ALL else f"{corpus.name}, {part}")
        others = {name: aim for name, aim in aims.items() if not (corpus.is_target and name == corpus.name)}
        own = counts.without(None).unigrams
        statistics = estimates(counts, lambda replicate: corpus_statistics(replicate) | distinct_at(replicate, n_equal))
        to_targets = {}
        for name, aim in others.items():
            to_targets[name] = estimates(counts, partial(distances, target=aim))
            floor = kl_floor(aim, counts.n_tokens, generator("kl-floor", corpus.name, part, name))
            to_targets[name]["kl_floor"] = Estimate(floor)
        lacking = {name: gaps(aim, own, MOST_GAPS, losses.get(name)) for name, aim in others.items()}
        found.append(Described(corpus.name, part, corpus.is_target, counts, statistics, to_targets, lacking))
    current().end("describe", "")
    return found, n_equal


def support_ratios(described: Sequence[Described], reference: str) -> list[SupportRatio]:
    """Each corpus against the reference, and its synthetic part against its real one."""
    by_part = {(one.name, one.part): one for one in described}
    base = by_part[(reference, ALL)]
    found = []
    for one in described:
        if one.part == ALL and one.name != reference:
            found.append(SupportRatio(one.name, ALL, reference, _ratios(one, base)))
        if one.part == SYNTHETIC:
            found.append(SupportRatio(one.name, SYNTHETIC, REAL, _ratios(one, by_part[(one.name, REAL)])))
    return found


def _ratios(one: Described, base: Described) -> dict[str, Estimate]:
    return {name: _ratio(one.statistics[name], base.statistics[name]) for name in DISTINCT}


def _ratio(one: Estimate, base: Estimate) -> Estimate:
    """The quotient of two independent estimates; deviations add in the logarithm."""
    if not (one.is_known and base.is_known) or base.value <= 0 or one.value <= 0:
        return Estimate(math.nan)
    value = one.value / base.value
    wide = math.hypot((one.high - one.low) / 2 / one.value, (base.high - base.low) / 2 / base.value)
    return Estimate(value, value * math.exp(-wide), value * math.exp(wide))


def phrases_of(one: Described, stream: TokenStream) -> list[dict[str, Any]]:
    """The corpus' most frequent runs of three tokens."""
    return [
        {"text": stream.spelling(tokens_of(phrase.key, 3)), "low": phrase.low, "high": phrase.high}
        for phrase in one.counts.phrases.frequent(MOST_PHRASES)
    ]


def tail_law(one: Described) -> dict[str, Any]:
    """The power law of the corpus' counts with its best xmin, as a document."""
    law = power_law(one.counts.without(None).unigrams)
    return {} if law is None else vars(law)
