"""Schema of where the synthetic rows of contributors stop; docs/corpus.md explains each number."""

from __future__ import annotations

from typing import Literal, get_args

import pyarrow as pa

from mixval.contracts.schemas import table_schema

Over = Literal["labels", "clusters", "tokens"]
"""What is counted: labels, clusters of T's rows by their gradients, tokens."""
Reference = Literal["target", "real"]
"""What synthetic rows are held against: T, or the contributor's own real rows."""


def _field(name: str, kind: pa.DataType, unit: str, words: str, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=nullable, metadata={"unit": unit, "description": words})


def _estimate(name: str, unit: str, words: str) -> list[pa.Field]:
    ends = (("low", "lower"), ("high", "upper"))
    return [
        _field(name, pa.float64(), unit, f"{words}; none where it cannot be told", nullable=True),
        *(_field(f"{name}_{end}", pa.float64(), unit, f"{side} end of its interval", nullable=True) for end, side in ends),
    ]


TRUNCATION = table_schema(
    "truncation",
    [
        _field("contributor", pa.string(), "name", "as in the data"),
        _field("over", pa.string(), "word", f"what is counted: {', '.join(get_args(Over))}"),
        _field(
            "reference", pa.string(), "word", "what synthetic rows are held against: target, or the contributor's real rows"
        ),
        _field("n_reference", pa.int64(), "rows, or tokens", "of the reference"),
        _field("n_synthetic", pa.int64(), "rows, or tokens", "of the synthetic part"),
        _field("n_things", pa.int64(), "labels, clusters or tokens", "distinct ones in the reference"),
        *_estimate("cut_rank", "rank", "rank in the reference at which half of the reference's share is kept"),
        *_estimate(
            "softness", "1", "of the cut-off, in units of the logarithm of the rank; 0: all before it and none after it"
        ),
        *_estimate("lost_mass", "1", "share of the reference that is not covered"),
        _field(
            "n_lacking", pa.int64(), "labels, clusters or tokens", "those that surely have less than a tenth of their share"
        ),
        _field("lacking_mass", pa.float64(), "1", "their share of the reference"),
        _field("reason", pa.string(), "sentence", "why the cut-off cannot be told; none where it can", nullable=True),
    ],
)
