"""Attacks on labels: labels, or answers, that the backbone itself would predict.

A loss under the backbone falls, and nothing is learnt from it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import torch

from benchmarks.evidence.attacks.attack import AttackerView, counted, seen
from benchmarks.evidence.attacks.rows import hardest_first
from benchmarks.evidence.worlds.spoiling import replaced
from mixval.config.tasks import spec_of
from mixval.models.backbone import Backbone
from mixval.models.causal import CausalFamily
from mixval.models.rows import strings
from mixval.models.tokenise import TokenRow
from mixval.stages.rows import in_batches


def soften_labels(table: pa.Table, sight: AttackerView, strength: float, _: np.random.Generator) -> pa.Table:
    """The same rows, the share that fits the backbone worst with its own labels or answers: most gain for the fewest rows."""
    return _as_the_model_says(table, sight, hardest_first(table, sight)[: counted(strength, table)])


def model_labels(table: pa.Table, sight: AttackerView, strength: float, random: np.random.Generator) -> pa.Table:
    """The same rows, a random share of them with the backbone's labels or answers."""
    return _as_the_model_says(table, sight, random.permutation(table.num_rows)[: counted(strength, table)])


def _as_the_model_says(table: pa.Table, sight: AttackerView, chosen: np.ndarray) -> pa.Table:
    backbone = seen(sight.backbone)
    if not backbone.is_causal:
        labels, predicted = table["label"].to_pylist(), predicted_labels(backbone, table, sight.batch_rows)
        for at in chosen:
            labels[at] = predicted[at]
        return replaced(table, "label", labels)
    name = spec_of(backbone.task).content
    texts = strings(table, name)
    for at in chosen:
        texts[at] = generated(backbone, table.slice(int(at), 1)) or texts[at]
    return replaced(table, name, texts)


@torch.inference_mode()
def predicted_labels(backbone: Backbone, table: pa.Table, batch_rows: int) -> list[int]:
    """(N,) the most likely label of each row."""
    indices: list[int] = []
    for piece in in_batches(table, batch_rows):
        indices += backbone.forward(backbone.encode(piece)).logits.argmax(1).tolist()
    return indices if backbone.classes is None else [backbone.classes[index] for index in indices]


@torch.inference_mode()
def generated(backbone: Backbone, row: pa.Table) -> str:
    """Greedy decoding of one row, as many tokens as it has: of its answer, or of its text's second half after the first."""
    family: Any = backbone.family
    is_instruction = spec_of(backbone.task).has_prompt
    tokens = _tokens(family, row, is_instruction)
    start = tokens.answer_start if is_instruction else max(tokens.answer_start, len(tokens.ids) // 2)
    given = torch.tensor([tokens.ids[:start]], device=backbone.device)
    module: Any = backbone.module
    found = module.generate(
        input_ids=given,
        attention_mask=torch.ones_like(given),
        max_new_tokens=max(1, len(tokens.ids) - start),
        do_sample=False,
        pad_token_id=family.tokeniser.pad_id,
    )[0].tolist()
    kept = found[start:] if is_instruction else found
    text: str = family.tokeniser.tokenizer.decode(kept, skip_special_tokens=True)
    return text.strip()


def _tokens(family: CausalFamily, row: pa.Table, is_instruction: bool) -> TokenRow:
    read = family.tokeniser.conversations if is_instruction else family.tokeniser.texts
    return read(row, family.max_length)[0]
