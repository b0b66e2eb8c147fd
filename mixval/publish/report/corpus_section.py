"""The report's section on tokens: how each contributor's differ from T's, in the order of the ranking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from mixval.publish.names import shortened, visible
from mixval.publish.numerals import MINUS, count, percent
from mixval.publish.report.view import NAME_LIMIT

MOST_DOWN = 60
"""Contributors in the table, in the order of the ranking."""
GAP_LIMIT = 24
HEADS = {
    "kl": "KL to T",
    "kl_of_size": "KL of T's own",
    "token_coverage": "T's tokens covered",
    "distinct_2": "Distinct pairs",
    "next_token_concentration": "Next token agrees",
    "compression_ratio": "Compression",
}
FIRST, SECOND = ("kl", "kl_of_size", "token_coverage"), ("distinct_2", "next_token_concentration", "compression_ratio")
"""Columns of the table, and of the one that is opened."""
SHARES = {"token_coverage", "distinct_2", "next_token_concentration"}


def corpus_section(ranking: pa.Table, corpora: pa.Table | None) -> dict[str, Any] | None:
    """What `corpus.html.j2` shows. None for a run that counts no tokens, or whose contributors have none."""
    if corpora is None or not corpora.num_rows:
        return None
    found = {row["contributor"]: row for row in corpora.to_pylist()}
    rows = [found[name] for name in ranking["contributor"].to_pylist() if name in found]
    return {
        "sentence": _sentence(rows),
        "heads": HEADS,
        "first": FIRST,
        "second": SECOND,
        "rows": [_line(row) for row in rows[:MOST_DOWN]],
        "n_more": max(0, len(rows) - MOST_DOWN),
    }


def _sentence(rows: list[dict[str, Any]]) -> str:
    known = sorted((row for row in rows if row["kl"] is not None), key=lambda row: row["kl"])
    if len(known) < 2:
        return ""
    near, far = (
        f"{shortened(row['contributor'], NAME_LIMIT)} ({_two_places(row['kl'])} nats a token)"
        for row in known[:: len(known) - 1]
    )
    return f"Nearest to the target by tokens: {near}; farthest: {far}."


def _line(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": shortened(row["contributor"], NAME_LIMIT),
        "tokens": count(row["n_tokens"]),
        "cells": {name: _cell(row, name) for name in HEADS},
        "gaps": "–" if row["gaps_loss_share"] is None else percent(row["gaps_loss_share"]),
        "costliest": [f"“{shortened(visible(text), GAP_LIMIT)}”" for text in row["gaps"] or ()],
    }


def _cell(row: Mapping[str, Any], name: str) -> dict[str, str]:
    if row[name] is None:
        return {"value": "cannot tell", "interval": ""}
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    shown = percent if name in SHARES else _two_places
    return {
        "value": shown(row[name]),
        "interval": "" if low is None or high is None else f"{shown(low)} to {shown(high)}",
    }


def _two_places(number: float) -> str:
    return f"{number:.2f}".replace("-", MINUS)
