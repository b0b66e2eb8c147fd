"""Sketches of per-example gradients: q numbers an example whose inner products are those of the gradients, in the mean.

Letters: B examples of a batch, n in all; P chosen parameters; q features; T positions; a weight of O x I.

    phi_i = S g_i,   E_S <phi_i, phi_j> = <g_i, g_j>,   Var <= 2 |g_i|^2 |g_j|^2 / q for the count hash (see `hashing.py`)

One forward and one backward pass. Each layer's contribution is folded into the B x q sums the moment that the backward pass
reaches the layer, so no n x P array ever exists and a batch's factors do not wait for each other. Two routes, chosen once a
run for each weight, because they are different sketches and all rows of a run need the same one:

    count     form the gradients, some rows of the weight at a time, and fold them     T O I multiply-adds + O I additions
    tensor    fold both factors, convolve by FFT                                       T (O + I + 2 q log2 q) operations

`count` is what long inputs take (many positions share a weight's gradient), `tensor` what few positions take: a linear layer
on one vector, a convolution on few places.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn

from mixval.errors import ModelError, NumericalError
from mixval.terms.ntk.assemble import matrix_shape, slim, wide, widened
from mixval.terms.ntk.capture import Batch, Scalar, batch_rows, capture, chosen_owners, one_pass, require_evaluation, some_rows
from mixval.terms.ntk.contribution import Call, Factors, contribution
from mixval.terms.ntk.convolution import conv_gradients, has_kernel
from mixval.terms.ntk.gram import gram_block
from mixval.terms.ntk.hashing import CountHash, TensorHash, count_hash, tensor_hash
from mixval.terms.ntk.record import Recorder

Route = Literal["count", "tensor"]
CHECKED_ROWS = 4
"""Rows of the first batch whose sketched inner products are held against exact ones."""
CHUNK_BYTES = 2**24
"""Of gradients formed at a time. Less means more, smaller foldings; more was no faster."""
NANOSECONDS_A_COORDINATE, NANOSECONDS_A_PRODUCT, NANOSECONDS_AN_FFT_STEP = 1.0, 0.03, 0.5
"""Of one CPU core in float32: forming and folding a coordinate, a multiply-add of a large product, q log2 q of an FFT."""


@dataclass(frozen=True)
class SketchPlan:
    """What all workers of a run share. Sketches made under different plans must not be mixed."""

    width: int
    """q."""
    seed: int
    routes: Mapping[str, Route]
    """By parameter name."""
    slimmed: frozenset[str]
    """Parameters whose output gradient is one-hot or idle at many positions, worth looking for."""


@dataclass(frozen=True)
class GradientSketch:
    """Outputs and sketched gradients of n rows."""

    outputs: Tensor
    """(n,) float64: f(x)."""
    features: Tensor
    """(n, q) float32, or float64 for a float64 backbone: phi."""


def plan_sketch(module: nn.Module, names: Sequence[str], scalar: Scalar, batch: Batch, width: int, seed: int) -> SketchPlan:
    """The plan for the parameters `names`, from the positions that one batch (of the target, say) has at each layer.

    Raises ModelError for a width that is not a positive even number, and what `capture` raises.
    """
    if width < 2 or width % 2:
        raise ModelError(f"a sketch needs a positive, even number of features, found {width}. Set `ntk.sketch_features`.")
    require_evaluation(module)
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
        positions = slender.right.shape[1]
        route = "count" if slender.has_ids else cheaper_route(shapes[name], positions, width)
        routes[name] = "count" if routes.get(name) == "count" else route

    one_pass(module, Recorder(owners, batch_rows(batch), look), scalar, batch)
    return SketchPlan(width, seed, {name: routes.get(name, "count") for name in names}, frozenset(slimmed))


def cheaper_route(shape: tuple[int, int], positions: int, width: int) -> Route:
    """The route that costs less for a weight (O, I) whose layer has `positions` an example; see the module's cost model."""
    rows, columns = shape
    area = rows * columns
    count = area * (NANOSECONDS_A_COORDINATE + NANOSECONDS_A_PRODUCT * positions)
    fold = (rows + columns + 2 * width) * NANOSECONDS_A_COORDINATE
    tensor = positions * (fold + 2 * width * math.log2(width) * NANOSECONDS_AN_FFT_STEP)
    return "tensor" if tensor < count else "count"


def sketch(
    module: nn.Module, plan: SketchPlan, scalar: Scalar, batches: Iterable[Batch], verify: bool = True
) -> GradientSketch:
    """Outputs and sketched gradients of all rows of `batches`, in their order.

    `verify` holds a few rows of the first batch against exact gradients (`capture`, itself held against autograd). Raises
    what `capture` raises, and NumericalError when a sketch is NaN, or further from the exact products than chance allows.
    """
    require_evaluation(module)
    names = list(plan.routes)
    owners, shapes = chosen_owners(module, names), _shapes(module, names)
    hashes = {name: _hash(plan, name, shapes[name]) for name in names}
    outputs, features = [], []
    for index, batch in enumerate(batches):
        folding = _Folding(plan, hashes, shapes, batch_rows(batch))
        outputs.append(one_pass(module, Recorder(owners, batch_rows(batch), folding.take), scalar, batch).double())
        features.append(folding.features())
        if verify and index == 0:
            _verify(module, names, scalar, some_rows(batch, CHECKED_ROWS), features[0][:CHECKED_ROWS], plan)
    if not outputs:
        raise NumericalError("gradients need at least one row, found none. Leave empty contributors out.")
    return GradientSketch(torch.cat(outputs), torch.cat(features))


class _Folding:
    """The sketch sums of one batch, to which layers add as the backward pass reaches them."""

    def __init__(
        self, plan: SketchPlan, hashes: Mapping[str, CountHash | TensorHash], shapes: Mapping[str, tuple[int, int]], n: int
    ) -> None:
        self._plan, self._hashes, self._shapes, self._n = plan, hashes, shapes, n
        self._sums: Tensor | None = None
        self._spectrum: Tensor | None = None

    def take(self, name: str, module: nn.Module, local: str, call: Call, grad: Tensor) -> None:
        """Add what one use of a weight contributes."""
        hashed = self._hashes[name]
        if isinstance(hashed, CountHash) and local == "weight" and has_kernel(module, call.given):
            self._add_convolution(hashed, cast("nn.Conv2d", module), call.given, grad)
            return
        use = widened(contribution(module, local, call, grad))
        if isinstance(use, Factors) and name in self._plan.slimmed:
            use = slim(use)
        if isinstance(hashed, TensorHash):
            if not isinstance(use, Factors) or use.has_ids:
                raise ModelError(f"parameter '{name}': its gradient has another form than on the batch of the plan. Plan anew.")
            self._add_tensor(hashed, use)
        elif isinstance(use, Tensor):
            hashed.add_dense(self._real(use), use.reshape(self._n, -1), 0)
        elif use.has_ids:
            hashed.add_rows(self._real(use.right), use.left, use.right)
        else:
            rows, columns = self._shapes[name]
            step = max(1, CHUNK_BYTES // (self._n * columns * use.right.element_size()))
            for low in range(0, rows, step):
                hashed.add_dense(self._real(use.right), use.matrices(low, min(low + step, rows)), low * columns)

    def features(self) -> Tensor:
        """(B, q) sketches."""
        width = self._plan.width
        sums = torch.zeros(self._n, width) if self._sums is None else self._sums
        return sums if self._spectrum is None else torch.fft.irfft(self._spectrum, n=width).to(sums) + sums

    def _add_convolution(self, hashed: CountHash, module: nn.Conv2d, given: Tensor, grad: Tensor) -> None:
        given, grad = wide(given), wide(grad)
        sums = self._real(grad)
        step = max(1, CHUNK_BYTES // (module.weight.numel() * grad.element_size()))
        for low in range(0, self._n, step):
            own = slice(low, low + step)
            hashed.add_dense(sums[own], conv_gradients(module, given[own], grad[own]), 0)

    def _add_tensor(self, hashed: TensorHash, use: Factors) -> None:
        if self._spectrum is None:
            kind = torch.complex128 if use.right.dtype == torch.float64 else torch.complex64
            self._spectrum = use.right.new_zeros(self._n, self._plan.width // 2 + 1, dtype=kind)
            self._real(use.right)
        hashed.add_factors(self._spectrum, use.left, use.right)

    def _real(self, like: Tensor) -> Tensor:
        if self._sums is None:
            self._sums = like.new_zeros(self._n, self._plan.width)
        return self._sums


def _hash(plan: SketchPlan, name: str, shape: tuple[int, int]) -> CountHash | TensorHash:
    if plan.routes[name] == "tensor":
        return tensor_hash(plan.width, shape, plan.seed, name)
    return count_hash(plan.width, shape[0] * shape[1], plan.seed, name)


def _shapes(module: nn.Module, names: Sequence[str]) -> dict[str, tuple[int, int]]:
    held = dict(module.named_parameters())
    return {name: matrix_shape(tuple(held[name].shape)) for name in names}


def _verify(module: nn.Module, names: Sequence[str], scalar: Scalar, rows: Batch, found: Tensor, plan: SketchPlan) -> None:
    """Compare the sketched products of a few rows with exact ones: six standard deviations of the looser hash are allowed."""
    exact_rows = capture(module, names, scalar, [rows])
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
