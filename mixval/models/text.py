"""Sequence classifiers over text: BERT, DistilBERT, RoBERTa and the like, and decoders with a classification head.

A decoder's head reads the last token that is not padding. Features are the mean of the last hidden state over a row's
tokens. Rows are padded on the right, where neither attention nor positions are affected.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import torch
from torch import Tensor, nn

from mixval.models.backbone import Batch, Forward
from mixval.models.hidden import at_least_float32, caught, inputs_of, masked_mean
from mixval.models.rows import class_indices
from mixval.models.token_batches import check_lengths, example_rows, no_pixels, padded
from mixval.models.tokenise import Tokeniser


@dataclass(frozen=True)
class TextFamily:
    """Encodes `text` and `label`; runs a sequence classifier."""

    tokeniser: Tokeniser
    max_length: int
    """Tokens to which a row is cut."""
    classes: Sequence[int] | None
    """Labels by class index; None: the label is the index."""
    n_classes: int
    reject: bool
    """Whether an overlong row is an error instead of being cut."""

    def encode(self, rows: pa.Table) -> Batch:
        """`input_ids`, `attention_mask` (B, T) int64; `targets` (B,) int64 class indices; `is_truncated` (B,) bool."""
        token_rows = self.tokeniser.texts(rows, self.max_length)
        check_lengths(rows, token_rows, self.max_length, self.reject)
        targets = torch.from_numpy(class_indices(rows, self.classes, self.n_classes))
        return {**padded(token_rows, self.tokeniser.pad_id), "targets": targets}

    def forward(self, module: nn.Module, batch: Batch) -> Forward:
        """Logits (B, C), features (B, D)."""
        with caught(module) as hidden:
            logits = module(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        return Forward(logits, masked_mean(hidden.state, batch["attention_mask"]))

    def example(self) -> Batch:
        """Rows for `probes.py`: see `example_rows`."""
        return example_rows(self.tokeniser, self.max_length)

    def pixels(self, rows: pa.Table) -> Tensor:
        """Raises ModelError: texts have no pixels."""
        raise no_pixels(rows)


class NgramFamily(TextFamily):
    """The same for `ngrams.py`, whose head is given a row's n-grams and no hidden states of tokens."""

    def forward(self, module: nn.Module, batch: Batch) -> Forward:
        """Logits (B, C), features (B, D)."""
        with inputs_of(module.get_submodule("classifier")) as inputs:
            logits = module(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        return Forward(logits, at_least_float32(inputs[0]))
