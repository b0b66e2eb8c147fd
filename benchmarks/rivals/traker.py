"""TRAK as its authors publish it (`traker`): projected gradients of all weights, whitened. The CPU projector, in pure torch."""

from __future__ import annotations

import tempfile
from typing import Any

import torch
from torch import Tensor

from benchmarks.rivals.job import Job, Made
from benchmarks.rivals.shapes import Shape, losses

WIDTH = 2048
"""The default of `TRAKer`."""


def _prepare(shape: Shape) -> Any:
    from trak import TRAKer
    from trak.modelout_functions import AbstractModelOutput, ImageClassificationModelOutput

    class Language(AbstractModelOutput):
        """Log-odds of a sequence, p its probability a token in the mean."""

        def __init__(self) -> None:  # abstract in the class above
            super().__init__()

        @staticmethod
        def get_output(model: Any, weights: Any, buffers: Any, ids: Tensor, labels: Tensor) -> Tensor:
            logits = torch.func.functional_call(model, (weights, buffers), ids[None])
            log_p = -losses(logits, labels[None])
            return (log_p - torch.log1p(-log_p.exp() + 1e-6)).sum()

        def get_out_to_loss_grad(self, model: Any, weights: Any, buffers: Any, batch: Any) -> Tensor:
            with torch.no_grad():
                logits = torch.func.functional_call(model, (weights, buffers), batch[0])
            return (1 - (-losses(logits, batch[1])).exp())[:, None]

    task = Language() if shape.is_language else ImageClassificationModelOutput()

    def work() -> Made:
        with tempfile.TemporaryDirectory() as folder:
            switches = {"save_dir": folder, "device": "cpu", "proj_dim": WIDTH, "logging_level": 40}
            attributor = TRAKer(
                shape.module, task, train_set_size=shape.n, use_half_precision=False, lambda_reg=1e-3, **switches
            )
            attributor.load_checkpoint(shape.module.state_dict(), model_id=0)
            for batch in shape.batches():
                attributor.featurize(batch=batch, num_samples=len(batch[0]))
            attributor.finalize_features()
            features = attributor.saver.current_store["features"]
            return Made(len(features), {"features": features.shape[1]})

    return work


JOBS = {"traker": Job(_prepare, f"whitened projected gradients of the rows, {WIDTH} features a row")}
