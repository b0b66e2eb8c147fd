"""How far mixval's terms lie from Eq. 8 (arXiv 2511.13640) done the obvious way, from Parquet to the committed term.

Every case runs the stages that a valuation runs, on a small contributor with a real and a synthetic part, and is compared
with `dense.py`. In float64 the difference is the error of mixval's route (batches, padding, factors, blocks, Cholesky); with
a float32 backbone it is what that precision costs. Llama's norms, softmax and rotary angles are float32 in any module.

    python -m benchmarks.exactness
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import torch

from benchmarks.dense import dense_rows, dense_terms
from benchmarks.dense_rows import DenseRows
from benchmarks.worlds import CLASSES, WORLDS, Shards, World, jobs, lay_out, make_config, measured_terms, relative_errors
from mixval.config.tasks import spec_of
from mixval.config.valuation import merge
from mixval.contracts.terms import TERMS

Switches = dict[str, Any]
Dtype = Literal["float64", "float32"]

CASES: dict[str, Switches] = {
    "defaults": {},
    "margin, biased, token mean": {
        "ntk": {"output": "margin"},
        "discrepancy": {"estimator": "biased"},
        "loss": {"average": "token"},
    },
    "log-probability, squared": {
        "ntk": {"output": "log-probability", "residual": "one-minus-probability"},
        "discrepancy": {"scale": "squared"},
    },
    "absolute damping, given bandwidths": {
        "ntk": {"damping": 0.5, "damping_mode": "absolute"},
        "discrepancy": {"bandwidths": [0.7, 2.0]},
    },
    "three blocks, pooled, summed kernels": {
        "ntk": {"n_blocks": 3},
        "discrepancy": {"parts": "pooled", "combine": "sum"},
    },
    "shares sampled": {
        "sample": {"fraction": 0.6},
        "ntk": {"sample": {"fraction": 0.4}},
        "discrepancy": {"target_sample": {"count": 5}},
    },
    "rows sampled": {
        "sample": {"count": 12},
        "ntk": {"sample": {"count": 9}},
        "discrepancy": {"target_sample": {"fraction": 0.7}},
    },
    "random features": {"discrepancy": {"method": "random-features", "frequencies": 64}},
}
"""Run in every world, one store a world: what a switch changes must be made anew, what it does not must fit."""

KINDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "images": (("linear",), ("conv",), ("norm",), ("linear", "conv", "norm", "bias")),
    "texts": (("embedding",), ("norm",), ("bias",), ("linear", "embedding", "norm", "bias")),
    "llama": (("embedding",), ("norm",), ("linear", "embedding", "norm")),
    "gpt2": (("embedding",), ("norm", "bias"), ("linear", "embedding", "norm", "bias")),
    "lora": (("lora", "norm"), ("linear", "lora")),
}
"""Choices of `ntk.parameters` by world. GPT-2's token table is the output's weight as well, whichever kind names it."""

PASSES: list[tuple[int, int | None, Shards]] = [
    (1, None, "one"),
    (1, 100_000, "uneven"),
    (3, 1, "shuffled"),
    (3, None, "uneven"),
    (64, 30_000, "one"),
    (64, None, "shuffled"),
]
"""(batch_rows, gradient_bytes, shards): all layers in one pass, groups of layers, or each weight alone and rows cut."""


def world_cases(name: str) -> dict[str, Switches]:
    """Switches by the name of the case."""
    kinds: dict[str, Switches] = {" + ".join(chosen): {"ntk": {"parameters": list(chosen)}} for chosen in KINDS[name]}
    pixels: dict[str, Switches] = {"pixels": {"discrepancy": {"features": "pixels"}}} if name == "images" else {}
    labels: dict[str, Switches] = {"labels": {"discrepancy": {"labels": 1.0}}} if name in ("images", "texts") else {}
    answers: dict[str, Switches] = {"answers": {"discrepancy": {"features": "backbone-and-answer"}}}
    return CASES | kinds | pixels | labels | (answers if spec_of(WORLDS[name].task).has_prompt else {})


def world_reference(folder: Path, name: str) -> tuple[DenseRows, DenseRows]:
    """The contributor and the target of a laid-out world, dense."""
    config = make_config(folder, WORLDS[name], {})
    classes = CLASSES if config.task_spec.has_labels else None
    rows, target = dense_rows([folder / "lake", folder / "target"], config, classes)
    return rows, target


def case_errors(folder: Path, world: World, switches: Switches, reference: tuple[DenseRows, DenseRows]) -> dict[str, float]:
    """Relative error of every term and part of one case."""
    config = make_config(folder, world, switches)
    return relative_errors(measured_terms(*jobs(config)), dense_terms(*reference, config))


def worst_errors(dtype: Dtype = "float64", worlds: tuple[str, ...] = tuple(WORLDS)) -> dict[str, float]:
    """The largest relative error of each term over all cases, against float64 throughout."""
    worst = dict.fromkeys(TERMS, 0.0)
    for name in worlds:
        for errors in _all_errors(name, dtype):
            for key, error in errors.items():
                term = key.partition("/")[0]
                worst[term] = max(worst[term], error)
    return worst


def _all_errors(name: str, dtype: Dtype) -> Iterator[dict[str, float]]:
    world, precision = WORLDS[name], {"backbone": {"dtype": dtype}}
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        lay_out(root / "cases", world)
        reference = world_reference(root / "cases", name)
        for switches in world_cases(name).values():
            yield case_errors(root / "cases", world, merge(switches, precision), reference)
        for i, (batch_rows, gradient_bytes, shards) in enumerate(PASSES):
            folder = root / f"passes-{i}"
            lay_out(folder, world, shards)
            passes = {"runtime": {"batch_rows": batch_rows, "gradient_bytes": gradient_bytes}}
            yield case_errors(folder, world, merge(passes, precision), reference)


def main() -> None:
    """Print the worst errors by world and precision."""
    torch.set_num_threads(1)
    print("worst relative error over all cases, against a dense float64 reference\n")
    print(f"{'backbone':<10}{'precision':<12}" + "".join(f"{term:>14}" for term in TERMS))
    dtypes: tuple[Dtype, ...] = ("float64", "float32")
    for dtype in dtypes:
        for name in WORLDS:
            worst = worst_errors(dtype, (name,))
            print(f"{name:<10}{dtype:<12}" + "".join(f"{worst[term]:>14.1e}" for term in TERMS), flush=True)


if __name__ == "__main__":
    main()
