"""The suite of a single row: the row contract and the row limits, written as expectations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from mixval.config.base import Task
from mixval.config.gate import GateConfig
from mixval.contracts.parts import PARTS
from mixval.contracts.rows import CONTRACTS
from mixval.gate.checks import Check, must_be_in, must_be_there, must_be_true, must_lie
from mixval.gate.words import listed

LEARNT: dict[Task, tuple[str, str]] = {
    "instruction": ("column 'response' must have at least 1 token", "response"),
    "language-modelling": ("column 'text' must have at least 2 tokens, one to learn after the first", "text"),
    "text-classification": ("column 'text' must have at least 1 token", "text"),
}
"""What must have tokens for a row to count, and its column."""


def row_checks(
    task: Task,
    limits: GateConfig,
    labels: Sequence[int] | None = None,
    *,
    has_tokens: bool = False,
    max_length: int | None = None,
    overlong: Literal["truncate", "reject"] = "truncate",
) -> list[Check]:
    """What must hold for each row by itself, on the columns of `derive.derive_rows`. `labels` None: any label."""
    checks: list[Check] = []
    for column in CONTRACTS[task]:
        if column.name == "label":
            checks += _label_checks(labels)
        elif column.name == "image":
            checks += _image_checks(limits)
        else:
            checks += _text_checks(column.name, limits)
    checks += [
        must_be_there("origin", "drop", "column 'origin' must not be null", "Say of each row where it comes from."),
        must_be_in(
            "origin",
            list(PARTS),
            "drop",
            "column 'origin' must be 'real' or 'synthetic'",
            "Rename the value, or set source.origin when all rows share one.",
        ),
    ]
    return checks + (_token_checks(task, max_length, overlong) if has_tokens else [])


def _label_checks(labels: Sequence[int] | None) -> list[Check]:
    there = must_be_there("label", "drop", "column 'label' must not be null", "Label the row, or take it out.")
    if labels is None:
        return [there]
    expected = f"column 'label' must be one of the target's labels {listed(list(labels))}"
    remedy = "Map the labels to the target's, or bring target rows of the missing classes."
    return [there, must_be_in("label", list(labels), "drop", expected, remedy)]


def _text_checks(name: str, limits: GateConfig) -> list[Check]:
    low, high = limits.min_text_chars, limits.max_text_chars
    return [
        must_be_there(name, "drop", f"column '{name}' must not be null", "Fill it in, or take the row out."),
        must_be_true(
            f"{name}_is_whole",
            "drop",
            f"column '{name}' must be UTF-8 text, and messages must have role and content",
            "Decode the text properly where the data is made.",
            about=name,
        ),
        must_lie(
            f"{name}_chars",
            "drop",
            f"column '{name}' must have {low:,} to {high:,} characters (blanks alone count as none)",
            "Fill in, split or shorten the text, or move gate.min_text_chars and gate.max_text_chars.",
            low,
            high,
            name,
            "characters",
        ),
    ]


def _image_checks(limits: GateConfig) -> list[Check]:
    low, high = limits.min_image_side_pixels, limits.max_image_side_pixels
    return [
        must_be_there("image", "drop", "column 'image' must not be null", "Add the image, or take the row out."),
        must_be_true(
            "image_decodes",
            "drop",
            "column 'image' must decode as PNG or JPEG to its end",
            "Write the image again from its source.",
            about="image",
        ),
        must_be_true(
            "image_pixels_finite",
            "drop",
            "column 'image' must have finite pixels, no NaN and no infinity",
            "Find where the tensor was computed and correct it there.",
            about="image",
        ),
        must_lie(
            "image_short_side_pixels",
            "drop",
            f"the short side of an image must have at least {low:,} pixels (gate.min_image_side_pixels)",
            "Bring a larger image, or lower the limit.",
            low=low,
            about="image",
        ),
        must_lie(
            "image_long_side_pixels",
            "drop",
            f"the long side of an image must have at most {high:,} pixels (gate.max_image_side_pixels)",
            "Scale the image down, or raise the limit.",
            high=high,
            about="image",
        ),
    ]


def _token_checks(task: Task, max_length: int | None, overlong: Literal["truncate", "reject"]) -> list[Check]:
    column = CONTRACTS[task][0].name
    what, about = LEARNT[task]
    remedy = "Fill it in, or take the row out: there is nothing to learn from it."
    checks = [must_lie("n_response_tokens", "drop", what, remedy, low=1, about=about)]
    if max_length is not None:
        expected = f"a row must fit the context of {max_length:,} tokens (backbone.max_length)"
        remedy = "Split the row, or raise backbone.max_length as far as the model goes."
        severity: Literal["warn", "drop"] = "warn" if overlong == "truncate" else "drop"
        checks.append(must_lie("n_tokens", severity, expected, remedy, high=max_length, about=column, unit="tokens"))
    return checks
