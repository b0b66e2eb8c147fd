"""Sketches of per-example gradients: q numbers an example whose inner products are unbiased estimates of the gradients'.

Letters: B examples of a batch, n in all; P chosen parameters; q features; T positions; a weight of O x I.

    phi_i = S g_i,   E_S <phi_i, phi_j> = <g_i, g_j>,   Var <= 2 |g_i|^2 |g_j|^2 / q for the count hash (see `hashing.py`)

One forward and one backward pass. Each layer's contribution is folded into the B x q sums as soon as the backward pass reaches
the layer, so that neither an n x P array nor the factors of a whole batch are ever in memory. There are two methods, chosen
once a run for each weight, because they are different sketches and all rows of a run need the same one:

    count     form the gradients, some rows of the weight at a time, and fold them     T O I multiply-adds + O I additions
    tensor    fold both factors, convolve by FFT                                       T (O + I + 2 q log2 q) operations

`count` is the cheaper one for long inputs (many positions share a weight's gradient), `tensor` for few positions or wide
weights: a linear layer on one vector, a convolution on few places. The cost of a pass is in docs/engine.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from mixval.errors import ModelError, NumericalError
from mixval.terms.ntk.assemble import matrix_shape, slim
from mixval.terms.ntk.capture import Batch, Scalar, batch_rows, capture, chosen_owners, one_pass, require_evaluation, some_rows
from mixval.terms.ntk.contribution import Call, Factors, contribution
from mixval.terms.ntk.folding import Folding
from mixval.terms.ntk.gram import gram_block
from mixval.terms.ntk.hashing import CountHash, TensorHash, count_hash, tensor_hash
from mixval.terms.ntk.kinds import is_conv
from mixval.terms.ntk.preconditioner import Preconditioner
from mixval.terms.ntk.recorder import Recorder
from mixval.terms.ntk.slice import GradientSlice

Route = Literal["count", "tensor"]
Products = Literal["float32", "bfloat16"]
CHECKED_ROWS = 4
"""Rows of the first batch whose sketched inner products are compared with exact ones."""
NANOSECONDS = {"coordinate": 0.8, "product": 0.03, "entry": 1.3, "step": 0.11}
"""Of one CPU core in float32: to store and fold a coordinate of a gradient; a multiply-add that forms it; to fold an entry of
a factor; one of the q log2 q steps of an FFT. Fitted to the layers of ResNet-18 on 32x32 rows, off by a third at most."""


@dataclass(frozen=True)
class SketchPlan:
    """What all workers of a run share. Sketches made under different plans must not be mixed."""

    width: int
    """q."""
    seed: int
    routes: Mapping[str, Route]
    """By parameter name."""
    slimmed: frozenset[str]
    """Parameters whose output gradient is one-hot or zero at many positions: `slim` pays for them."""
    products: Products = "float32"
    """In which a float32 backbone's linear layers form their gradients; float32 sums either way."""


@dataclass(frozen=True)
class GradientSketch:
    """Outputs and sketched gradients of n rows."""

    outputs: Tensor
    """(n,) float64: f(x)."""
    features: Tensor
    """(n, q) float32, or float64 for a float64 backbone: phi."""


def plan_sketch(
    module: nn.Module,
    names: Sequence[str],
    scalar: Scalar,
    batch: Batch,
    width: int,
    seed: int,
    products: Products = "float32",
) -> SketchPlan:
    """The plan for the parameters `names`, from the positions that one batch (of the target, say) has at each layer.

    Raises ModelError for a width that is not a positive even number, a backbone on several devices, and what `capture` raises.
    """
    if width < 2 or width % 2:
        raise ModelError(f"a sketch needs a positive, even number of features, found {width}. Set `ntk.sketch_features`.")
    require_evaluation(module)
    _require_one_device(module)
    owners = chosen_owners(module, names)
    routes: dict[str, Route] = {}
    slimmed: set[str] = set()
    shapes = _shapes(module, names)

    def look(name: str, owner: nn.Module, local: str, call: Call, grad: Tensor) -> None:
        use = contribution(owner, local, call, grad)
        if not isinstance(use, Factors):
            routes[name] = "count"
            return
        slender = slim(use)
        if slender.has_ids or slender.right.shape[1] * 2 <= use.right.shape[1]:
            slimmed.add(name)
        positions = (use if is_conv(owner) else slender).right.shape[1]  # a convolution is not slimmed on `tensor`
        route = "count" if slender.has_ids else cheaper_route(shapes[name], positions, width)
        routes[name] = "count" if routes.get(name) == "count" else route

    one_pass(module, Recorder(owners, batch_rows(batch), look), scalar, batch)
    return SketchPlan(width, seed, {name: routes.get(name, "count") for name in names}, frozenset(slimmed), products)


def fast_products(device: torch.device) -> Products:
    """`bfloat16` where the device multiplies in it with float32 sums at more than float32's speed, else `float32`.

    Gradients of a linear layer then take 2.2 to 2.8 times less CPU time, conversions included (25 rows of 64 tokens, 128 x 344;
    16 rows of 128 tokens, 704 x 256; AVX-512 BF16), and each is rounded once, to 0.4 %, far below the sketch's own noise.
    """
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    has_instructions = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bfloat16" if device.type == "cpu" and has_instructions else "float32"


def cheaper_route(shape: tuple[int, int], positions: int, width: int) -> Route:
    """The route that costs less for a weight (O, I) whose layer has `positions` an example; see the module's cost model."""
    rows, columns = shape
    count = rows * columns * (NANOSECONDS["coordinate"] + NANOSECONDS["product"] * positions)
    steps = 2 * width * math.log2(width)
    tensor = positions * ((rows + columns) * NANOSECONDS["entry"] + steps * NANOSECONDS["step"])
    return "tensor" if tensor < count else "count"


def sketch(
    module: nn.Module,
    plan: SketchPlan,
    scalar: Scalar,
    batches: Iterable[Batch],
    verify: bool = True,
    preconditioner: Preconditioner | None = None,
) -> GradientSketch:
    """Outputs and sketched gradients of all rows of `batches`, in their order; with a `preconditioner`, scaled by it.

    `verify` compares a few rows of the first batch with exact gradients (`capture`, itself compared with autograd). Raises
    what `capture` raises, and NumericalError when a sketch is NaN, or further from the exact products than chance allows.
    """
    require_evaluation(module)
    _require_one_device(module)
    names = list(plan.routes)
    owners, shapes = chosen_owners(module, names), _shapes(module, names)
    hashes = {name: _hash(plan, name, shapes[name]) for name in names}
    folding = Folding(hashes, shapes, plan.slimmed, plan.width, plan.products == "bfloat16")
    outputs, features = [], []
    for index, batch in enumerate(batches):
        folding.begin(batch_rows(batch))
        recorder = Recorder(owners, batch_rows(batch), folding.take, preconditioner)
        taken = one_pass(module, recorder, scalar, batch)
        outputs.append(taken.double())
        features.append(folding.features(taken))
        if verify and index == 0:
            exact = capture(module, names, scalar, [some_rows(batch, CHECKED_ROWS)], preconditioner=preconditioner)
            _verify(exact, features[0][:CHECKED_ROWS], plan)
    if not outputs:
        raise NumericalError("gradients need at least one row, found none. Leave empty contributors out.")
    return GradientSketch(torch.cat(outputs), torch.cat(features))


def _require_one_device(module: nn.Module) -> None:
    """A dispatcher moves inputs after the hooks have read them: input and gradient of a layer may then differ in device."""
    first: dict[torch.device, str] = {}
    for name, parameter in module.named_parameters():
        first.setdefault(parameter.device, name)
    if len(first) > 1:
        where = ", ".join(f"'{name}' on {device}" for device, name in first.items())
        raise ModelError(
            f"sketched gradients need a backbone on one device, found {where}. Load it on one (a smaller backbone, or "
            f"`backbone.dtype: bfloat16`), or let its processes share rows instead of layers."
        )


def _hash(plan: SketchPlan, name: str, shape: tuple[int, int]) -> CountHash | TensorHash:
    if plan.routes[name] == "tensor":
        return tensor_hash(plan.width, shape, plan.seed, name)
    return count_hash(plan.width, shape[0] * shape[1], plan.seed, name)


def _shapes(module: nn.Module, names: Sequence[str]) -> dict[str, tuple[int, int]]:
    parameters = dict(module.named_parameters())
    return {name: matrix_shape(tuple(parameters[name].shape)) for name in names}


def _verify(exact_rows: GradientSlice, found: Tensor, plan: SketchPlan) -> None:
    """Compare the sketched products of a few rows with exact ones: six standard deviations of the looser hash are allowed."""
    exact = gram_block(exact_rows, exact_rows)
    sketched = found.double() @ found.double().T
    if not bool(torch.isfinite(sketched).all()):
        raise NumericalError("a gradient sketch is NaN or infinite. Run the backbone in float32 or float64 (`backbone.dtype`).")
    lengths = exact.diagonal().sqrt()
    scale = lengths[:, None] * lengths
    deviation = math.sqrt((8 if "tensor" in plan.routes.values() else 2) / plan.width)
    off = float(((sketched - exact).abs() / scale.clamp_min(torch.finfo(torch.float64).tiny)).max())
    if off > 6 * deviation or bool((sketched.diagonal() == 0).ne(exact.diagonal() == 0).any()):
        raise NumericalError(
            f"sketched inner products of {len(exact)} rows are off by {off:.2g} of the gradients' lengths; {plan.width} "
            f"features allow {6 * deviation:.2g}. Raise `ntk.sketch_features`, or take exact gradients."
        )
