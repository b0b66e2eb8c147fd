"""Token rows to padded tensors, and the refusals that text backbones share."""

from collections.abc import Sequence

import pyarrow as pa
import torch
from torch import Tensor

from mixval.errors import ContractError, ModelError
from mixval.models.rows import row_name
from mixval.models.tokenise import Tokeniser, TokenRow

_EXAMPLES = (
    "We went up the long hill at noon, talked of rivers and old maps, and came home late by another road.",
    "The film was kind and quick.",
    "A quiet, odd song about winter trains.",
)


def padded(token_rows: Sequence[TokenRow], pad_id: int) -> dict[str, Tensor]:
    """`input_ids`, `attention_mask` (B, T) int64, padded on the right, and `is_truncated` (B,) bool."""
    ids = pad_right([row.ids for row in token_rows], pad_id)
    lengths = torch.tensor([len(row.ids) for row in token_rows])
    return {
        "input_ids": ids,
        "attention_mask": (torch.arange(ids.shape[1]) < lengths.unsqueeze(1)).long(),
        "is_truncated": torch.tensor([row.is_truncated for row in token_rows]),
    }


def example_rows(tokeniser: Tokeniser, max_length: int) -> dict[str, Tensor]:
    """A padded batch of made-up rows: a long one and two short ones."""
    batch = padded(tokeniser.texts(pa.table({"text": list(_EXAMPLES)}), max_length), tokeniser.pad_id)
    return {**batch, "targets": batch["input_ids"]}


def pad_right(sequences: Sequence[Sequence[int]], value: int) -> Tensor:  # (B, T) int64
    """Sequences as rows of one tensor, filled up with `value` on the right to the longest."""
    width = max(map(len, sequences))
    return torch.tensor([[*row, *[value] * (width - len(row))] for row in sequences], dtype=torch.int64)


def check_lengths(rows: pa.Table, token_rows: Sequence[TokenRow], max_length: int, reject: bool, fewest: int = 1) -> None:
    """Raise ContractError for a row of fewer than `fewest` tokens, or, with `reject`, of more than `max_length`."""
    for index, row in enumerate(token_rows):
        if len(row.ids) < fewest:
            raise ContractError(
                f"{row_name(rows, index)}: a row must have at least {fewest} token(s), found {len(row.ids)}. Drop the row."
            )
        if reject and row.is_truncated:
            raise ContractError(
                f"{row_name(rows, index)}: a row may have at most {max_length} tokens where backbone.overlong is `reject`, and "
                "this one has more. Leave it out, raise backbone.max_length, or set backbone.overlong to `truncate`."
            )


def no_pixels(rows: pa.Table) -> ModelError:
    """The error for asking pixel features of texts."""
    return ModelError(f"pixel features need images, found columns {rows.column_names}. Set discrepancy.features to `backbone`.")
