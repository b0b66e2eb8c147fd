"""Checks of each row: the row contract and the row limits, as expectations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from mixval.config.gate import GateConfig
from mixval.config.tasks import Task, TaskSpec, for_column, spec_of
from mixval.contracts.class_names import ClassNames
from mixval.contracts.parts import PARTS
from mixval.gate.checks import Check, must_be_in, must_be_there, must_be_true, must_lie
from mixval.gate.words import label_words, listed


@dataclass(frozen=True)
class Known:
    """What rows are held against besides limits; of the target itself nothing is known yet."""

    labels: Sequence[int] | None = None
    """Labels of the target. None: any label."""
    image_size: str | None = None
    """Height and width of the target's images (`images.size_words`). None: any size."""
    class_names: ClassNames = ()
    """What the target calls the labels 0, 1, ..."""


NOTHING_KNOWN = Known()


def row_checks(
    task: Task,
    limits: GateConfig,
    known: Known = NOTHING_KNOWN,
    *,
    has_tokens: bool = False,
    max_length: int | None = None,
    overlong: Literal["truncate", "reject"] = "truncate",
) -> list[Check]:
    """Requirements of each row, on the columns of `derive.derive_rows`."""
    checks: list[Check] = [_read_check()]
    for column in spec_of(task).columns:
        checks += for_column(_CHECKS, column, "checks of its rows")(column.name, limits, known)
    checks += [
        must_be_there("origin", "drop", "column 'origin' must not be null", "Write real or synthetic in each row."),
        must_be_in(
            "origin",
            list(PARTS),
            "drop",
            "column 'origin' must be 'real' or 'synthetic'",
            "Rename the value, or set source.origin when all rows share one.",
        ),
    ]
    return checks + (_token_checks(spec_of(task), max_length, overlong) if has_tokens else [])


def _read_check() -> Check:
    expected, remedy = "a row must be one that can be read", "Convert it, or remove the row."
    return replace(must_be_true("is_read", "drop", expected, remedy, about="refusal"), says_why=True)


def _label_checks(name: str, _limits: GateConfig, known: Known) -> list[Check]:
    there = must_be_there(name, "drop", f"column '{name}' must not be null", "Label the row, or remove it.")
    if known.labels is None:
        return [there]
    words = listed([label_words(label, known.class_names) for label in known.labels])
    expected = f"column '{name}' must be one of the target's labels {words}"
    remedy = (
        "Map the labels to the target's, or add target rows of the missing classes; -1 usually marks a row without a label."
    )
    return [there, must_be_in(name, list(known.labels), "drop", expected, remedy)]


def _text_checks(name: str, limits: GateConfig, _known: Known) -> list[Check]:
    low, high = limits.min_text_chars, limits.max_text_chars
    return [
        must_be_there(name, "drop", f"column '{name}' must not be null", "Fill it in, or remove the row."),
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
            "Fill in, split or shorten the text, or change gate.min_text_chars and gate.max_text_chars.",
            low,
            high,
            name,
            "characters",
        ),
    ]


def _image_checks(name: str, limits: GateConfig, known: Known) -> list[Check]:
    low, high = limits.min_image_side_pixels, limits.max_image_side_pixels
    return [
        must_be_there(name, "drop", f"column '{name}' must not be null", "Add the image, or remove the row."),
        must_be_true(
            f"{name}_decodes",
            "drop",
            f"column '{name}' must be a complete PNG or JPEG",
            "Write the image again from its source.",
            about=name,
        ),
        must_be_true(
            f"{name}_pixels_finite",
            "drop",
            f"column '{name}' must have finite pixels, no NaN and no infinity",
            "Correct it where the tensor is computed.",
            about=name,
        ),
        must_be_true(
            f"{name}_pixels_in_range",
            "drop",
            f"column '{name}' must have floats from 0 to 1, or integers of 8 bits",
            "Scale the tensor, or store uint8.",
            about=name,
        ),
        must_lie(
            f"{name}_short_side_pixels",
            "drop",
            f"the short side of an image must have at least {low:,} pixels (gate.min_image_side_pixels)",
            "Use a larger image, or lower the limit.",
            low=low,
            about=name,
        ),
        must_lie(
            f"{name}_long_side_pixels",
            "drop",
            f"the long side of an image must have at most {high:,} pixels (gate.max_image_side_pixels)",
            "Scale the image down, or raise the limit.",
            high=high,
            about=name,
        ),
        must_lie(
            f"{name}_pixels",
            "drop",
            f"an image must have at most {limits.max_image_pixels:,} pixels (gate.max_image_pixels)",
            "Scale the image down, or raise the limit.",
            high=limits.max_image_pixels,
            about=name,
        ),
        must_lie(
            f"{name}_scans",
            "drop",
            f"a JPEG must have at most {limits.max_image_scans:,} scans (gate.max_image_scans)",
            "Write the image again, or raise the limit.",
            high=limits.max_image_scans,
            about=name,
        ),
        *([] if known.image_size is None else [_size_check(name, known.image_size)]),
    ]


def _size_check(name: str, size: str) -> Check:
    expected = f"an image must have the target's height and width in pixels, {size}, as backbone.image_size is not set"
    remedy = "Set backbone.image_size to resize all images, or resize these."
    return replace(must_be_in(f"{name}_size", [size], "drop", expected, remedy), about=name)


_CHECKS: dict[str, Callable[[str, GateConfig, Known], list[Check]]] = {
    "image": _image_checks,
    "label": _label_checks,
    "text": _text_checks,
    "prompt": _text_checks,
}


def _token_checks(spec: TaskSpec, max_length: int | None, overlong: Literal["truncate", "reject"]) -> list[Check]:
    least = "2 tokens, as the first is not learnt" if spec.learns == "text" else "1 token"
    what = f"column '{spec.content}' must have at least {least}"
    remedy = "Fill it in, or remove the row: there is nothing to learn from it."
    checks = [must_lie("n_response_tokens", "drop", what, remedy, low=1, about=spec.content)]
    expected, advice = "the tokenizer must take a row's text", "Remove the row, or choose another backbone.tokenizer."
    if spec.has_prompt:
        expected = "the chat template and the tokenizer must take a row's messages"
        advice = "Correct the messages, or set backbone.prompt_format to `plain`."
    checks.insert(0, replace(must_be_true("is_taken", "drop", expected, advice, about="refusal"), says_why=True))
    if max_length is not None:
        expected = f"a row must fit the context of {max_length:,} tokens (backbone.max_length)"
        remedy = "Split the row, or raise backbone.max_length, up to the model's own limit."
        severity: Literal["warn", "drop"] = "warn" if overlong == "truncate" else "drop"
        checks.append(must_lie("n_tokens", severity, expected, remedy, high=max_length, about=spec.inputs[0], unit="tokens"))
    return checks
