"""Schema of what a run says of its contributors' tokens; docs/corpus.md explains each number."""

from __future__ import annotations

import pyarrow as pa

from mixval.contracts.schemas import table_schema

ESTIMATES = {
    "kl": ("nats", "KL(T || S) of unigrams a token, S smoothed"),
    "js": ("nats", "Jensen-Shannon divergence of both"),
    "token_coverage": ("1", "share of T's tokens that the contributor has at all"),
    "missing_mass": ("1", "chance that the next token is one that did not come"),
    "distinct_2": ("1", "distinct pairs of tokens a token, in 20,000 tokens; none of fewer"),
    "next_token_concentration": ("1", "chance that two draws of the token after a frequent one of T's agree"),
    "compression_ratio": ("1", "bytes over deflated bytes"),
}
"""Numbers with intervals -> unit and meaning. None where they cannot be told."""


def _number(name: str, unit: str, words: str) -> pa.Field:
    return pa.field(name, pa.float64(), metadata={"unit": unit, "description": words})


def _estimate(name: str, unit: str, words: str) -> list[pa.Field]:
    ends = [
        _number(f"{name}_{end}", unit, f"{side} end of its interval") for end, side in (("low", "lower"), ("high", "upper"))
    ]
    return [_number(name, unit, words), *ends]


def _count(name: str, unit: str, words: str) -> pa.Field:
    return pa.field(name, pa.int64(), nullable=False, metadata={"unit": unit, "description": words})


CORPORA = table_schema(
    "corpora",
    [
        pa.field("contributor", pa.string(), nullable=False, metadata={"unit": "name", "description": "as in the data"}),
        _count("n_documents", "rows", "rows with a text that were counted, those included that the gate drops"),
        _count("n_tokens", "tokens", "of these rows"),
        *(field for name, (unit, words) in ESTIMATES.items() for field in _estimate(name, unit, words)),
        _number("kl_of_size", "nats", "what kl would be of as many tokens drawn from T"),
        _count("n_gaps", "tokens", "distinct tokens of T that the contributor has less than a tenth as often"),
        _number("gaps_loss_share", "1", "their share of T's cross-entropy under the contributor's unigrams"),
        pa.field(
            "gaps",
            pa.list_(pa.field("element", pa.string())),
            metadata={"unit": "text", "description": "the costliest of them"},
        ),
    ],
)
