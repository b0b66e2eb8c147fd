"""Projected gradients of `bergson`, 16 x 16 a linear layer, kept in memory. Hugging Face language models only."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import Any

from benchmarks.rivals.job import Job, Made
from benchmarks.rivals.shapes import TOKENS, Shape

SIDE = 16
"""The default of its index."""


def _prepare(shape: Shape) -> Any:
    from bergson import CollectorComputer, GradientProcessor, IndexConfig, InMemoryCollector
    from datasets import Dataset

    model = shape.module.lm
    ids = shape.inputs.tolist()
    rows = Dataset.from_dict({"input_ids": ids, "labels": ids, "length": [TOKENS] * shape.n})
    batches = [list(range(low, min(low + shape.batch_rows, shape.n))) for low in range(0, shape.n, shape.batch_rows)]

    def work() -> Made:
        with tempfile.TemporaryDirectory() as folder:
            os.makedirs(f"{folder}.part", exist_ok=True)  # it writes there, and expects it to be
            try:
                tokens = shape.batch_rows * TOKENS
                switches = {"projection_dim": SIDE, "loss_reduction": "mean", "token_batch_size": tokens}
                config = IndexConfig(run_path=folder, **switches)
                processor = GradientProcessor(projection_dim=SIDE)
                collector = InMemoryCollector(model=model.base_model, data=rows, cfg=config, processor=processor)
                computer = CollectorComputer(model, rows, collector=collector, batches=batches, cfg=config)
                computer.run_with_collector_hooks(desc="rows")
                found = list(collector.gradients.values())
                return Made(len(found[0]), {"features": sum(part[0].numel() for part in found)})
            finally:
                shutil.rmtree(f"{folder}.part")

    return work


REASON = "it takes Hugging Face language models"
JOBS = {
    "bergson": Job(
        _prepare,
        "projected gradients of the rows, 256 features a row and linear layer",
        {"mlp": REASON, "resnet": REASON},
    )
}
