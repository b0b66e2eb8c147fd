"""Inner products of rows' loss gradients by each method, at a size: what all of them estimate, so that errors can be compared.

The quantity is that of one shape for all methods: G[i, j] = <g_i, g_j>, g_i the gradient of row i's mean cross-entropy over the
weights of linear layers and convolutions, of the language model those of its body, which is what bergson takes. Linear layers
have no biases here: some methods add them, others do not.

A method makes features F of all rows; its estimate is s FF', at the one s that fits G best, so that no convention about the
scale of random numbers counts. The error is |s FF' - G| / |G|, Frobenius.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.rivals.bergson import REASON
from benchmarks.rivals.dattri import _Sequences, hand_over_lists
from benchmarks.rivals.job import Job, Made
from benchmarks.rivals.shapes import TOKENS, Shape, losses
from mixval.terms.ntk.capture import capture
from mixval.terms.ntk.gram import gram_block
from mixval.terms.ntk.sketch import fast_products, plan_sketch, sketch

OURS = "mixval"
RIVALS = ("bergson", "dattri-logra", "dattri-llm")


def job(method: str, size: int) -> Job:
    """Features of that size (mixval: of a row; others: on each side of a layer), and afterwards their error."""
    make, left_out = _METHODS[method]

    def prepare(shape: Shape) -> Callable[[], Made]:
        _drop_biases(shape.module)
        work = make(shape, size)

        def timed() -> Made:
            features = work()
            return Made(
                len(features),
                {"size": size, "features": features.shape[1]},
                lambda: {"error": relative_error(features, exact(shape))},
            )

        return timed

    return Job(prepare, "features whose inner products are those of loss gradients", left_out)


def relative_error(features: Tensor, products: Tensor) -> float:
    """|s FF' - G| / |G| at the best s, Frobenius."""
    wide = features.double()
    found = wide @ wide.T
    scale = (found * products).sum() / (found**2).sum().clamp_min(torch.finfo(torch.float64).tiny)
    return float((scale * found - products).norm() / products.norm())


def exact(shape: Shape) -> Tensor:
    """(n, n) G, float64."""
    taken = capture(shape.module, counted(shape), _loss(shape), shape.batches(), verify=False)
    return gram_block(taken, taken).double()


def counted(shape: Shape) -> list[str]:
    """Weights that G is over."""
    return [name for name in shape.names if not shape.is_language or name.startswith("lm.model.")]


def _layers(shape: Shape) -> list[str]:
    return [name.removesuffix(".weight") for name in counted(shape)]


def _loss(shape: Shape) -> Callable[[tuple[Tensor, Tensor]], Tensor]:
    return lambda batch: losses(shape.module(batch[0]), batch[1])


def _drop_biases(module: nn.Module) -> None:
    for part in module.modules():
        if isinstance(part, nn.Linear):
            part.register_parameter("bias", None)


def _ours(shape: Shape, size: int) -> Callable[[], Tensor]:
    loss = _loss(shape)
    first = next(shape.batches(4))
    plan = plan_sketch(shape.module, counted(shape), loss, first, size, 0, fast_products(torch.device("cpu")))
    return lambda: sketch(shape.module, plan, loss, shape.batches(), verify=False).features


def _bergson(shape: Shape, size: int) -> Callable[[], Tensor]:
    from bergson import CollectorComputer, GradientProcessor, IndexConfig, InMemoryCollector
    from datasets import Dataset

    model, ids = shape.module.lm, shape.inputs.tolist()
    rows = Dataset.from_dict({"input_ids": ids, "labels": ids, "length": [TOKENS] * shape.n})
    batches = [list(range(low, min(low + shape.batch_rows, shape.n))) for low in range(0, shape.n, shape.batch_rows)]

    def work() -> Tensor:
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            run.with_suffix(".part").mkdir()  # it writes there, and expects it to be
            switches = {"loss_reduction": "mean", "token_batch_size": shape.batch_rows * TOKENS}
            config = IndexConfig(run_path=str(run), projection_dim=size, **switches)
            processor = GradientProcessor(projection_dim=size)
            collector = InMemoryCollector(model=model.base_model, data=rows, cfg=config, processor=processor)
            computer = CollectorComputer(model, rows, collector=collector, batches=batches, cfg=config)
            computer.run_with_collector_hooks(desc="rows")
            return torch.cat([part.flatten(1) for part in collector.gradients.values()], 1)

    return work


def _logra(shape: Shape, size: int) -> Callable[[], Tensor]:
    from dattri.algorithm.logra import LoGraAttributor
    from dattri.task import AttributionTask

    module, rows = shape.module, TensorDataset(shape.inputs, shape.labels)
    layers = _layers(shape)
    if shape.is_language:
        module, rows, layers = shape.module.lm, _Sequences(shape.inputs), [name.removeprefix("lm.") for name in layers]
    else:
        hand_over_lists()

    def loss(model: Any, batch: Any, _device: str) -> Tensor:
        if shape.is_language:
            return model(**batch).loss * len(batch["input_ids"])
        return losses(model(batch[0]), batch[1]).sum()

    loader = DataLoader(rows, batch_size=shape.batch_rows, shuffle=False)
    task = AttributionTask(loss_func=loss, model=module, checkpoints=[module.state_dict()])

    def work() -> Tensor:
        with tempfile.TemporaryDirectory() as folder, chdir(folder):
            switches: dict[str, Any] = {"hessian": "Identity", "proj_dim": size**2, "offload": "none", "layer_names": layers}
            attributor = LoGraAttributor(task=task, device="cpu", **switches)
            attributor.cache(loader)
            kept = [attributor.offload_manager.retrieve_gradients(at) for at in range(len(loader))]
            return torch.cat([torch.cat([part.flatten(1) for part in parts], 1) for parts in kept])

    return work


def _dattri_llm(shape: Shape, size: int) -> Callable[[], Tensor]:
    from dattri_llm import HookManager, HookManagerConfig

    layers = _layers(shape)
    projection = {"style": "logra", "proj_dim": size, "proj_max_batch_size": 8, "proj_type": "rademacher"}

    def work() -> Tensor:
        config = HookManagerConfig(
            hook_types=dict.fromkeys(layers, "linear_io"),
            capture_style="materialized",
            projection_kwargs={"__default__": projection},
        )
        manager, found = HookManager(shape.module, config=config), []
        with manager.collect(deregister_on_exit=True):
            for inputs, labels in shape.batches():
                losses(shape.module(inputs), labels).sum().backward()
                data = manager.get_gradient().materialize().data
                found.append(torch.cat([data[name].flatten(1) for name in layers], 1))
                shape.module.zero_grad(set_to_none=True)
        return torch.cat(found)

    return work


_METHODS: dict[str, tuple[Callable[[Shape, int], Callable[[], Tensor]], dict[str, str]]] = {
    OURS: (_ours, {}),
    "bergson": (_bergson, {"mlp": REASON, "resnet": REASON}),
    "dattri-logra": (_logra, {"resnet": "its gradients are those of linear layers, which are one of eleven there"}),
    "dattri-llm": (_dattri_llm, {}),
}
METHODS: Sequence[str] = tuple(_METHODS)
