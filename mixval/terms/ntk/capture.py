"""Per-example gradients of one scalar output, from one forward and one backward pass a batch.

Letters: B examples of a batch, n of the slice; f(x) the scalar output; g_i = d f(x_i) / d theta at the weights as they are.

Hooks see each layer's input, and the gradient of sum_i f(x_i) at its output. Since example i's output depends on example i
alone, that gradient's row i is d f(x_i) / d output_i, and `contribution.py` makes g_i of the two (Goodfellow,
arXiv 1510.01799; Rochette et al., arXiv 1912.06015). No weight needs `requires_grad`, and none gets a `.grad`.

Exact for weights used more than once (tied, or a module called twice): uses are kept apart and their gradients add up. What
hooks cannot see (a weight read outside its module, examples that mix) is detected: on the first batch, one row's gradient is
compared with autograd's own, weight by weight.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mixval.errors import MixvalError, ModelError, NumericalError, ShapeError
from mixval.terms.ntk.assemble import Assembly, Form
from mixval.terms.ntk.kinds import Owner, parameter_owners
from mixval.terms.ntk.preconditioner import Preconditioner
from mixval.terms.ntk.recorder import Recorder
from mixval.terms.ntk.slice import GradientSlice, joined

Batch = Any
"""A tensor, or a mapping or sequence of them; the first one's dimension 0 counts the examples."""
Scalar = Callable[[Batch], Tensor]
"""From a batch to f (B,)."""
TOLERANCE = {torch.float64: 1e-7, torch.float32: 1e-2, torch.bfloat16: 0.3, torch.float16: 0.1}
"""Relative error of one row's gradient that rounding alone may cause: other batch sizes take other kernels, and a rounded
input may fall on the other side of a ReLU or a maximum. A wrong gradient misses by about 1."""


def capture(
    module: nn.Module,
    names: Sequence[str],
    scalar: Scalar,
    batches: Iterable[Batch],
    form: Form = "auto",
    verify: bool = True,
    preconditioner: Preconditioner | None = None,
) -> GradientSlice:
    """Outputs and gradients, over the parameters `names`, of all rows of `batches`, in their order.

    `scalar` runs `module` and returns f (B,). `form` is how weights are stored, see `assemble.py`; it does not change the
    kernel. With a `preconditioner` gradients are scaled by it. `verify` compares one row of the first batch with plain
    autograd. While it runs, the module's parameters do not require gradients: use one module from one thread at a time.

    Raises ModelError for a module in training mode, a layer without one output an example, or a failed comparison;
    ShapeError when f is not (B,); NumericalError when f is NaN or infinite, or there are no rows.
    """
    return next(capture_slices(module, names, scalar, batches, itertools.repeat(None), form, verify, preconditioner))


def capture_slices(
    module: nn.Module,
    names: Sequence[str],
    scalar: Scalar,
    batches: Iterable[Batch],
    limits: Iterable[int | None],
    form: Form = "auto",
    verify: bool = True,
    preconditioner: Preconditioner | None = None,
) -> Iterator[GradientSlice]:
    """As `capture`, in slices of consecutive whole batches: each as many as fit its limit in bytes, one at least.

    Memory: the slice that is being filled and the batch that no longer fitted; none of the slices handed out.
    """
    limit_bytes = iter(limits)
    limit = next(limit_bytes)
    parts: list[GradientSlice] = []
    for one in captured_batches(module, names, scalar, batches, form, verify, preconditioner):
        if parts and limit is not None and sum(part.n_bytes for part in parts) + one.n_bytes > limit:
            yield joined(_emptied(parts))
            limit = next(limit_bytes)
        parts.append(one)
        del one  # a name would keep it alive beyond its slice
    yield joined(_emptied(parts))


def captured_batches(
    module: nn.Module,
    names: Sequence[str],
    scalar: Scalar,
    batches: Iterable[Batch],
    form: Form = "auto",
    verify: bool = True,
    preconditioner: Preconditioner | None = None,
) -> Iterator[GradientSlice]:
    """A gradient slice for each batch; see `capture`."""
    require_evaluation(module)
    owners = chosen_owners(module, names)
    shapes = {name: modules[0].module._parameters[modules[0].local] for name, modules in owners.items()}
    assembly = Assembly({name: tuple(p.shape) for name, p in shapes.items() if p is not None}, form)
    index = -1
    for index, batch in enumerate(batches):
        n_rows = batch_rows(batch)
        outputs = one_pass(module, Recorder(owners, n_rows, assembly.take, preconditioner), scalar, batch)
        taken = assembly.finish(outputs)
        if verify and index == 0:
            _verify(module, taken, scalar, batch, n_rows, preconditioner)
        yield taken
        del taken, outputs
    if index < 0:
        raise NumericalError("gradients need at least one row, found none. Leave empty contributors out.")


def _emptied(parts: list[GradientSlice]) -> list[GradientSlice]:
    """The slice, with the list emptied: a generator paused at `yield` must hold no reference to what it hands out."""
    taken = list(parts)
    parts.clear()
    return taken


def chosen_owners(module: nn.Module, names: Sequence[str]) -> dict[str, list[Owner]]:
    """The modules that hold each of the parameters `names`. Raises ModelError when there is no such parameter."""
    owners = {name: modules for name, modules in parameter_owners(module).items() if name in set(names)}
    if missing := sorted(set(names) - set(owners)):
        raise ModelError(f"the module has no parameters {missing}. Take names from `select_parameters`.")
    return owners


def batch_rows(batch: Batch) -> int:
    """Examples in a batch: dimension 0 of its first tensor. Raises ShapeError when there is no tensor."""
    parts = batch.values() if isinstance(batch, Mapping) else [batch] if isinstance(batch, Tensor) else batch
    for part in parts:
        if isinstance(part, Tensor) and part.ndim:
            return int(part.shape[0])
    raise ShapeError(f"a batch needs a tensor whose dimension 0 counts examples, found {type(batch).__name__} without.")


def some_rows(batch: Batch, stop: int, start: int = 0) -> Batch:
    """Examples `start` to `stop` of the batch; tensors of another length are kept whole."""
    n_rows = batch_rows(batch)

    def cut(part: Any) -> Any:
        return part[start:stop] if isinstance(part, Tensor) and part.ndim and len(part) == n_rows else part

    if isinstance(batch, Tensor):
        return cut(batch)
    if isinstance(batch, Mapping):
        return {key: cut(part) for key, part in batch.items()}
    return type(batch)([cut(part) for part in batch])


def require_evaluation(module: nn.Module) -> None:
    """Raises ModelError when examples would mix or be random: training mode, or a batch norm without running statistics."""
    for path, part in module.named_modules():
        is_batch_norm = isinstance(part, nn.modules.batchnorm._BatchNorm)
        if part.training or (is_batch_norm and part.running_mean is None):
            raise ModelError(
                f"gradients by example need evaluation mode and running statistics; '{path or 'the module'}' "
                f"({type(part).__name__}) would mix or disturb examples. Call `module.eval()`, or take another backbone."
            )


def one_pass(module: nn.Module, recorder: Recorder, scalar: Scalar, batch: Batch) -> Tensor:
    """One forward and backward pass; (B,) outputs. The recorder has all contributions afterwards."""
    required = [p for p in module.parameters() if p.requires_grad]
    try:
        for parameter in required:
            parameter.requires_grad_(False)
        with torch.enable_grad(), recorder.recording():
            outputs = scalar(batch)
        _check_outputs(outputs, recorder.n_rows)
        if outputs.requires_grad:
            torch.autograd.backward(outputs.sum())
    except (MixvalError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # a layer that writes to its input, or whose backward pass does not exist
        raise ModelError(
            f"{type(module).__name__}: gradients by row cannot be taken: {type(error).__name__}: {error}. Choose other "
            f"`ntk.parameters`, or take another backbone."
        ) from error
    finally:
        for parameter in required:
            parameter.requires_grad_(True)
    return outputs.detach()


def _check_outputs(outputs: Tensor, n_rows: int) -> None:
    if outputs.shape != (n_rows,):
        raise ShapeError(f"expected one output an example, ({n_rows},), found {tuple(outputs.shape)}.")
    if n_broken := int((~torch.isfinite(outputs)).sum()):
        raise NumericalError(
            f"{n_broken} of {n_rows} outputs f(x) are NaN or infinite. Look for rows that overflow the backbone's precision, "
            f"or run it in float32 or float64 (`backbone.dtype`)."
        )


def _norm(values: Tensor) -> float:
    return float(torch.linalg.vector_norm(values, dtype=torch.float64))


def _gradients(output: Tensor, parameters: list[nn.Parameter]) -> Sequence[Tensor]:
    """Autograd's gradients of one number; zeros for what it does not depend on."""
    if not output.requires_grad:
        return [torch.zeros_like(parameter) for parameter in parameters]
    return torch.autograd.grad(output, parameters, allow_unused=True, materialize_grads=True)


def _verify(
    module: nn.Module,
    taken: GradientSlice,
    scalar: Scalar,
    batch: Batch,
    n_rows: int,
    preconditioner: Preconditioner | None,
) -> None:
    """Compare captured rows with autograd's gradients of each alone, until one agrees: that is enough.

    A row alone is rounded otherwise than in a batch, and where that puts a ReLU on the other side of 0 its gradient is another
    one, by 5 % at one row in 180 of a small ResNet. A backbone that cannot be captured is wrong at every row.
    """
    wrong: list[tuple[str, float]] = []
    for row in sorted({n_rows - 1, n_rows // 2, 0}, reverse=True):
        if (found := _mismatch(module, taken, scalar, batch, row, preconditioner)) is None:
            return
        wrong.append(found)
    name, off = wrong[0]
    raise ModelError(
        f"parameter '{name}': the gradient captured for one row is off by {off:.1%} from autograd's, and so are those of all "
        f"{len(wrong)} rows that were compared. The backbone reads the weight outside its module, or mixes examples of a "
        f"batch. Leave it out of `ntk.parameters`, or take another backbone."
    )


def _mismatch(
    module: nn.Module,
    taken: GradientSlice,
    scalar: Scalar,
    batch: Batch,
    row: int,
    preconditioner: Preconditioner | None,
) -> tuple[str, float] | None:
    """The parameter whose captured gradient of that row is furthest from autograd's, and how far; None within tolerance."""
    named = {name: p for name, p in module.named_parameters() if name in taken.weights and p.is_floating_point()}
    frozen = [p for p in named.values() if not p.requires_grad]
    try:
        for parameter in frozen:
            parameter.requires_grad_(True)
        with torch.enable_grad():
            output = scalar(some_rows(batch, row + 1, row)).sum()
            truth = _gradients(output, list(named.values()))
            if preconditioner is not None:
                truth = [preconditioner.applied(name, true) for name, true in zip(named, truth, strict=True)]
    finally:
        for parameter in frozen:
            parameter.requires_grad_(False)
    whole = max((_norm(true) for true in truth), default=0.0)
    off: dict[str, float] = {}
    for (name, parameter), true in zip(named.items(), truth, strict=True):
        found = taken.weights[name].row(row).to(true.device)
        error = _norm(found - true.reshape(-1))
        # A gradient that is negligible against the other weights' is rounding: the error is relative to those.
        scale = max(_norm(true), 1e-3 * whole)
        if error > TOLERANCE.get(parameter.dtype, 1e-2) * scale:
            off[name] = error / max(scale, 1e-300)
    return max(off.items(), key=lambda one: one[1]) if off else None
