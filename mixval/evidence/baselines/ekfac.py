"""Influence functions with an eigenvalue-corrected Kronecker-factored curvature, EK-FAC (Grosse et al., arXiv 2308.03296).

By kronfluence (extra `attribution`), at the end of one training on all contributors' rows: curvature from the empirical Fisher
of these rows, over Linear and Conv2d layers. A contributor has the sum over its rows of their influence on T's summed loss.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from typing import Any

import torch
from torch import Tensor, nn

from mixval.evidence.baselines.attribution import last_checkpoint, row_sets
from mixval.evidence.baselines.extras import optional
from mixval.evidence.baselines.grouping import by_contributor
from mixval.evidence.baselines.inputs import Inputs
from mixval.models.backbone import Batch
from mixval.terms.arrays import Floats


def ekfac(inputs: Inputs, seed: int) -> Floats:
    """(K,) sums of influences; above 0, the rows lower T's loss. Raises ConfigError without kronfluence."""
    analyzer = optional("kronfluence.analyzer")
    arguments = optional("kronfluence.arguments")
    task = _task(optional("kronfluence.task").Task)()
    rows, targets = row_sets(inputs)
    module = analyzer.prepare_model(model=last_checkpoint(inputs, seed), task=task)
    batch_rows = min(inputs.budget.batch_rows, len(rows), len(targets))
    with tempfile.TemporaryDirectory() as folder, torch.enable_grad(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*GradScaler", category=FutureWarning)  # an old name of torch's, in there
        work = analyzer.Analyzer(
            "influence",
            module,
            task,
            cpu=inputs.backbone.device.type == "cpu",
            output_dir=folder,
            disable_tqdm=True,
            log_level=logging.ERROR,
        )
        factors = arguments.FactorArguments(strategy="ekfac", use_empirical_fisher=True)
        work.fit_all_factors("factors", rows, per_device_batch_size=batch_rows, factor_args=factors)
        work.compute_pairwise_scores(
            "scores",
            "factors",
            query_dataset=targets,
            train_dataset=rows,
            per_device_query_batch_size=batch_rows,
            per_device_train_batch_size=batch_rows,
            score_args=arguments.ScoreArguments(damping_factor=None, aggregate_query_gradients=True),
        )
        scores = work.load_pairwise_scores("scores")["all_modules"]
    summed = scores.double().cpu().numpy().sum(axis=0)
    return by_contributor(summed, [one.n_rows for one in inputs.contributors])


def _task(base: Any) -> Any:
    """kronfluence's description of a task, over its base class."""

    class LossTask(base):  # type: ignore[misc]  # its base comes from an optional library
        """The summed loss of rows, for training rows and targets alike."""

        def compute_train_loss(self, batch: Batch, model: nn.Module, sample: bool = False) -> Tensor:  # noqa: ARG002  empirical
            loss: Tensor = model(**batch).loss
            return loss

        def compute_measurement(self, batch: Batch, model: nn.Module) -> Tensor:
            return self.compute_train_loss(batch, model)

        def get_attention_mask(self, batch: Batch) -> Tensor | None:
            return batch.get("attention_mask")

    return LossTask
