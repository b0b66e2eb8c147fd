"""TrackStar: cosines of projected gradients, divided by their second moments and whitened (Chang et al., arXiv 2410.17413).

By bergson (extra `attribution`), at the end of one training on all contributors' rows. A row's gradient of a linear layer is
divided by the root of its second moment over batches of these rows, as Adam's is, projected to 16 by 16 and multiplied by
R^(-1/2); then all layers together get length 1. R mixes the autocorrelations of rows and of T so that a share of the
components, those that T's rows have in common, counts less (its section A.1.3). A contributor has the sum over its rows of
their mean product with T's. bergson takes causal language models of transformers.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mixval.errors import ConfigError
from mixval.evidence.baselines.attribution import RowSet, last_checkpoint, loader, row_sets, row_sums
from mixval.evidence.baselines.extras import optional
from mixval.evidence.baselines.grouping import by_contributor
from mixval.evidence.baselines.inputs import Inputs
from mixval.terms.arrays import Floats

SIDE = 16
"""Numbers on either side of a layer's projected gradient, the default of bergson's command."""
COMMON_SHARE = 1 / 65
"""Of all components, how many are downweighted: in the paper some 1,000 of 65,000."""


def trackstar(inputs: Inputs, seed: int) -> Floats:
    """(K,) sums of scores. Raises ConfigError without bergson, or for a backbone that is no language model of transformers."""
    model: Any = last_checkpoint(inputs, seed).module
    if getattr(model, "base_model", model) is model:
        raise ConfigError("TrackStar needs a causal language model of transformers. Leave the method out.")
    rows, targets = row_sets(inputs)
    batch_rows = inputs.budget.batch_rows
    normalizers = _normalizers(model, rows, batch_rows)
    (own, R), (of_target, R_target) = (_collected(model, one, normalizers, batch_rows) for one in (rows, targets))
    whitening = _whitening(R, R_target)
    scores = _directions(own, whitening) @ _directions(of_target, whitening).T
    return by_contributor(row_sums(scores).numpy(), [one.n_rows for one in inputs.contributors])


def _normalizers(model: Any, rows: RowSet, batch_rows: int) -> dict[str, Any]:
    """Second moments of the gradients of batches, of each layer's weights, as (out, in)."""
    adam = optional("bergson.gradients").AdamNormalizer
    layers = optional("bergson.collector.collector").HookCollectorBase.discover_targets(model.base_model)
    parts = [model.base_model.get_submodule(name) for name in layers]
    moments = [torch.zeros_like(part.weight) for part in parts]
    batches = list(loader(rows, batch_rows))
    for batch in batches:
        with torch.enable_grad():
            loss = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=batch["targets"]).loss
            gradients = torch.autograd.grad(loss, [part.weight for part in parts])
        for moment, gradient in zip(moments, gradients, strict=True):
            moment.add_(gradient**2 / len(batches))
    return {
        name: adam(moment if isinstance(part, nn.Linear) else moment.T.contiguous())  # GPT-2 stores (in, out)
        for name, part, moment in zip(layers, parts, moments, strict=True)
    }


def _collected(model: Any, rows: RowSet, normalizers: dict[str, Any], batch_rows: int) -> tuple[dict[str, Tensor], Any]:
    """(N, SIDE^2) gradients of each layer, and a processor with their autocorrelations."""
    bergson = optional("bergson")
    encoded = [rows[at] for at in range(len(rows))]
    lengths = [int(row["attention_mask"].sum()) for row in encoded]
    columns = {
        "input_ids": [row["input_ids"][:n].tolist() for row, n in zip(encoded, lengths, strict=True)],
        "labels": [row["targets"][:n].tolist() for row, n in zip(encoded, lengths, strict=True)],
        "length": lengths,
    }
    data = optional("datasets").Dataset.from_dict(columns)
    processor = bergson.GradientProcessor(projection_dim=SIDE, normalizers=normalizers)
    batches = [list(range(low, min(low + batch_rows, len(rows)))) for low in range(0, len(rows), batch_rows)]
    with tempfile.TemporaryDirectory() as folder, torch.enable_grad():
        run = Path(folder) / "run"
        run.with_suffix(".part").mkdir()  # it writes there, and expects it to be
        config = bergson.IndexConfig(
            run_path=str(run), projection_dim=SIDE, loss_reduction="mean", token_batch_size=batch_rows * max(lengths)
        )
        collector = bergson.InMemoryCollector(
            model=model.base_model, data=data, cfg=config, processor=processor, skip_hessians=False
        )
        bergson.CollectorComputer(model, data, collector=collector, batches=batches, cfg=config).run_with_collector_hooks()
    return collector.gradients, processor


def _whitening(own: Any, of_target: Any) -> Any:
    """What multiplies gradients by R^(-1/2)."""
    bergson, mixed = optional("bergson"), optional("bergson.utils.math").compute_lambda
    n_components = sum(len(values) for values, _ in own.hessians_eigen.values())
    share = mixed(of_target.hessians_eigen, own.hessians_eigen, max(1, round(COMMON_SHARE * n_components)))
    blended = {name: share * of_target.hessians[name] + (1 - share) * R for name, R in own.hessians.items()}
    processor = bergson.GradientProcessor(hessians=blended, projection_dim=SIDE)
    return optional("bergson.hessians.preconditioner").DensePreconditioner.from_processor(processor, power=-0.5)


def _directions(gradients: dict[str, Tensor], whitening: Any) -> Tensor:
    """(N, layers * SIDE^2) of length 1."""
    applied = whitening.apply({name: part.float() for name, part in gradients.items()})
    return nn.functional.normalize(torch.cat([part.float() for part in applied.values()], dim=1), dim=1)
