"""EK-FAC of `kronfluence`: its factors fitted on the rows, then their self-influences."""

from __future__ import annotations

import logging
import tempfile
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from benchmarks.rivals.job import Job, Made
from benchmarks.rivals.shapes import Shape, losses


def _prepare(shape: Shape) -> Any:
    from kronfluence.analyzer import Analyzer, prepare_model
    from kronfluence.arguments import FactorArguments
    from kronfluence.task import Task

    class Sum(Task):
        """Summed losses; sampled labels for the true Fisher matrix, as its documentation has it."""

        def compute_train_loss(self, batch: Any, model: Any, sample: bool = False) -> Tensor:
            inputs, labels = batch
            logits = model(inputs)
            return losses(logits, _sampled(logits, labels) if sample else labels).sum()

        def compute_measurement(self, batch: Any, model: Any) -> Tensor:
            return self.compute_train_loss(batch, model)

    def work() -> Made:
        with tempfile.TemporaryDirectory() as folder:
            task = Sum()
            model = prepare_model(model=shape.module, task=task)
            switches = {"cpu": True, "output_dir": folder, "disable_tqdm": True, "log_level": logging.ERROR}
            analyzer = Analyzer(analysis_name="rows", model=model, task=task, **switches)
            rows, batch = TensorDataset(shape.inputs, shape.labels), {"per_device_batch_size": shape.batch_rows}
            analyzer.fit_all_factors("factors", rows, factor_args=FactorArguments(strategy="ekfac"), **batch)
            analyzer.compute_self_scores("scores", "factors", rows, per_device_train_batch_size=shape.batch_rows)
            return Made(len(analyzer.load_self_scores("scores")["all_modules"]))

    return work


def _sampled(logits: Tensor, labels: Tensor) -> Tensor:
    """Labels from the model's own distribution."""
    with torch.no_grad():
        if labels.ndim == 1:
            return torch.multinomial(logits.softmax(-1), 1)[:, 0]
        drawn = torch.multinomial(logits[:, :-1].flatten(0, 1).softmax(-1), 1).view(len(labels), -1)
        return torch.cat([labels[:, :1], drawn], 1)


JOBS = {"kronfluence": Job(_prepare, "EK-FAC self-influences of the rows")}
