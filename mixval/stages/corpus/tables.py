"""Tables of a description: one row a corpus and statistic, distance, gap, phrase, rank, token, or place in a document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from mixval.corpus.jackknife import Estimate
from mixval.models.token_stream import TokenStream
from mixval.stages.corpus.describing import Described, SupportRatio, phrases_of
from mixval.stages.corpus.losses import Along, rolling

N_RANKS = 200
"""Of a curve of frequencies by rank, spread evenly on a logarithmic axis."""
N_TARGET_TOKENS = 500
"""Most frequent tokens of a target whose share in each corpus is listed."""


def tables_of(
    described: Sequence[Described], ratios: Sequence[SupportRatio], curves: Along, stream: TokenStream
) -> dict[str, pa.Table]:
    """Name -> table."""
    return {
        "statistics": _table([_row(one, name, value) for one in described for name, value in one.statistics.items()]),
        "distances": _table(
            [
                {**_row(one, name, value), "target": target}
                for one in described
                for target, found in one.to_targets.items()
                for name, value in found.items()
            ]
        ),
        "support": _table(
            [
                {"corpus": one.name, "part": one.part, "against": one.against, "statistic": name, **_interval(value)}
                for one in ratios
                for name, value in one.ratios.items()
            ]
        ),
        "gaps": _table(
            [
                {"corpus": one.name, "part": one.part, "target": target, "text": stream.spelling([gap.token]), **vars(gap)}
                for one in described
                for target, found in one.gaps.items()
                for gap in found.largest
            ]
        ),
        "phrases": _table(
            [{"corpus": one.name, "part": one.part, **phrase} for one in described for phrase in phrases_of(one, stream)]
        ),
        "ranks": _table([row for one in described for row in _ranks(one)]),
        "target_tokens": _table(
            [row for target in described if target.is_target for row in _shares(target, described, stream)]
        ),
        "loss_along": _table(
            [
                {
                    "corpus": name,
                    "position": at,
                    "text": stream.spelling([int(curves.tokens[at])]),
                    "loss": loss,
                    "rolling": mean,
                }
                for name, losses in curves.losses.items()
                for at, (loss, mean) in enumerate(zip(losses.tolist(), rolling(losses).tolist(), strict=True))
            ]
        ),
    }


def ranks_of(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(ranks, shares) of (V,) counts at ranks spread evenly on a logarithmic axis."""
    held = np.sort(counts[counts > 0])[::-1]
    places = np.unique(np.geomspace(1, max(1, len(held)), N_RANKS).round().astype(int))
    return places, held[places - 1] / max(1, held.sum())


def _ranks(one: Described) -> list[dict[str, Any]]:
    ranks, shares = ranks_of(one.counts.without(None).unigrams)
    pairs = zip(ranks.tolist(), shares.tolist(), strict=True)
    return [{"corpus": one.name, "part": one.part, "rank": rank, "share": share} for rank, share in pairs]


def _shares(target: Described, described: Sequence[Described], stream: TokenStream) -> list[dict[str, Any]]:
    aim = target.counts.without(None).unigrams
    top = np.argsort(-aim, kind="stable")[:N_TARGET_TOKENS]
    top = top[aim[top] > 0]
    words = [stream.spelling([token]) for token in top.tolist()]
    found = []
    for one in described:
        own = one.counts.without(None).unigrams
        for rank, (token, text) in enumerate(zip(top.tolist(), words, strict=True), 1):
            found.append(
                {
                    "target": target.name, "rank": rank, "token": token, "text": text, "corpus": one.name, "part": one.part,
                    "share": float(own[token] / max(1, own.sum())), "target_share": float(aim[token] / aim.sum()),
                }
            )  # fmt: skip
    return found


def _row(one: Described, name: str, value: Estimate) -> dict[str, Any]:
    return {"corpus": one.name, "part": one.part, "statistic": name, **_interval(value)}


def _interval(value: Estimate) -> dict[str, float]:
    return {"value": value.value, "low": value.low, "high": value.high}


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows) if rows else pa.table({"corpus": pa.array([], pa.string())})
