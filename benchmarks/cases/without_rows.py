"""Rows, configuration and models for cases whose script writes a model alone, or nothing."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from mixval.config.tasks import Task, spec_of
from mixval.models.tokenizers import byte_tokenizer

ROWS = {"amber": 30, "birch": 30, "target": 20}
WORDS = ("bright and lovely", "dull and gloomy")


def add_rows(case: Path, task: Task, model: str) -> Path:
    """Two contributors, a target and a configuration under a model of the case's own."""
    for place, (name, count) in enumerate(ROWS.items()):
        folder = case / ("target" if name == "target" else f"contributors/{name}")
        folder.mkdir(parents=True, exist_ok=True)
        rows = [_row(task, 100 * place + index) for index in range(count)]
        pq.write_table(pa.Table.from_pylist(rows), folder / "part-0.parquet")
    config = {
        "task": task,
        "source": {"contributors": "./contributors", "target": "./target"},
        "output": "./out",
        "backbone": {"path": model, "max_length": 64},
        "ntk": {"method": "sketched", "sketch_features": 256},
        "value": {"replicates": 20, "coalitions": 0},
        "gate": {"min_rows": 10, "data_docs": False},
        "runtime": {"workers": 1, "batch_rows": 8, "device": "cpu"},
    }
    file = case / "mixval.yaml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    return file


def save_classifiers(case: Path) -> None:
    """Tiny random classifiers that say nothing of their embeddings: `canine` and `ibert`."""
    import torch
    from transformers import CanineConfig, CanineForSequenceClassification, IBertConfig, IBertForSequenceClassification

    torch.manual_seed(0)
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, "pad_token_id": 256}
    canine = CanineConfig(**size, num_hash_buckets=64, local_transformer_stride=8)
    made = {
        "canine": CanineForSequenceClassification(canine),
        "ibert": IBertForSequenceClassification(IBertConfig(**size, vocab_size=259)),
    }
    for name, model in made.items():
        model.save_pretrained(case / name)
        byte_tokenizer().save_pretrained(case / name)


def _row(task: Task, number: int) -> dict[str, str | int]:
    if spec_of(task).has_labels:
        return {"text": f"The film was {WORDS[number % 2]}, number {number}.", "label": number % 2, "origin": "real"}
    return {"prompt": f"What is {number} plus 7?", "response": f"It is {number + 7}.", "origin": "real"}
