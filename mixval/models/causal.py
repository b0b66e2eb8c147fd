"""Causal language models: Llama, Qwen and GPT-2 families, whatever transformers holds behind AutoModelForCausalLM.

`instruction` rows are a prompt and a response, and only the response and its end token are answer tokens; in
`language-modelling` every token but the first is one. How rows become tokens, and what is cut, stands in `tokenise.py`.
Rows are padded on the right: causal attention does not reach what follows, and positions count from 0 without gaps.
"""

from dataclasses import dataclass

import pyarrow as pa
from torch import Tensor, nn

from mixval.models.backbone import Batch, Forward
from mixval.models.hidden import caught, masked_mean
from mixval.models.outputs import IGNORED
from mixval.models.token_batches import check_lengths, example_rows, no_pixels, pad_right, padded
from mixval.models.tokenise import Tokeniser


@dataclass(frozen=True)
class CausalFamily:
    """Encodes `prompt` and `response`, or `text`; runs a causal language model."""

    tokeniser: Tokeniser
    max_length: int
    """Tokens to which a row is cut."""
    has_prompt: bool
    """Whether rows are a prompt and a response, not a text."""
    reject: bool
    """Whether an overlong row is an error instead of being cut."""

    def encode(self, rows: pa.Table) -> Batch:
        """`input_ids`, `attention_mask`, `targets` (B, T) int64, -100 where no answer; `is_truncated` (B,) bool."""
        read = self.tokeniser.conversations if self.has_prompt else self.tokeniser.texts
        token_rows = read(rows, self.max_length)
        check_lengths(rows, token_rows, self.max_length, self.reject, fewest=2)
        answers = [[IGNORED] * row.answer_start + row.ids[row.answer_start :] for row in token_rows]
        return {**padded(token_rows, self.tokeniser.pad_id), "targets": pad_right(answers, IGNORED)}

    def forward(self, module: nn.Module, batch: Batch) -> Forward:
        """Logits (B, T, V), features (B, D): the mean of the last hidden state over the whole row."""
        with caught(module) as hidden:
            logits = module(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False).logits
        return Forward(logits, masked_mean(hidden.state, batch["attention_mask"]))

    def example(self) -> Batch:
        """Rows for `probes.py`: see `example_rows`."""
        return example_rows(self.tokeniser, self.max_length)

    def pixels(self, rows: pa.Table) -> Tensor:
        """Raises ModelError: texts have no pixels."""
        raise no_pixels(rows)
