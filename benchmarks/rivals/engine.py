"""mixval itself, and the obvious way that it replaces: an array of all rows' gradients."""

from __future__ import annotations

import time
from typing import Any

import torch

from benchmarks.rivals.job import Job, Made
from benchmarks.rivals.shapes import Shape, scalars
from mixval.terms.ntk.capture import capture
from mixval.terms.ntk.gram import gram_block
from mixval.terms.ntk.quadratic import quadratic_form
from mixval.terms.ntk.sketch import SketchPlan, fast_products, plan_sketch, sketch
from mixval.terms.ntk.sketched import sketched_form
from mixval.terms.ntk.sketched_rows import WORTHWHILE_SHARE, sketched_form_of_rows
from mixval.terms.ntk.statistics import GradientStatistics

DAMPING = 1e-2


class _Parts:
    """CPU seconds by part."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.process_time()

    def ends(self, name: str) -> None:
        now = time.process_time()
        self.seconds[name], self._last = now - self._last, now


def sketched(width: int) -> Job:
    """The term of n rows from sketches of `width` features, with the sketch's bias removed."""

    def prepare(shape: Shape) -> Any:
        names, once = shape.names, _Parts()
        plan = plan_sketch(
            shape.module, names, shape.scalar, next(shape.batches(4)), width, 0, fast_products(torch.device("cpu"))
        )
        once.ends("plan")

        def work() -> Made:
            parts = _Parts()
            made = sketch(shape.module, plan, shape.scalar, shape.batches(), verify=False)
            parts.ends("sketch")
            few = shape.n <= WORTHWHILE_SHARE * width  # as `mixval/stages/statistics_terms.py` does
            residuals = 1 - made.outputs
            form = (
                sketched_form_of_rows(made.features, residuals, DAMPING)
                if few
                else sketched_form(GradientStatistics.of(made.features, residuals), DAMPING)
            )
            parts.ends("form")
            term = form.term if form.extrapolated is None else form.extrapolated
            return Made(
                shape.n, {"term": term, "seconds": parts.seconds}, lambda: {"once_seconds": once.seconds | tested(plan)}
            )

        def tested(plan: SketchPlan) -> dict[str, float]:
            """The self-test, which a run makes once: a first batch with it, less the same batch without."""
            parts, batch = _Parts(), next(shape.batches())
            for verify in (False, True):
                sketch(shape.module, plan, shape.scalar, [batch], verify=verify)
                parts.ends("tested" if verify else "untested")
            return {"verify": max(parts.seconds["tested"] - parts.seconds["untested"], 0.0)}

        return work

    return Job(prepare, f"NTK term of the rows, {width} features a row")


def _prepare_exact(shape: Shape) -> Any:
    names = shape.names

    def work() -> Made:
        parts = _Parts()
        taken = capture(shape.module, names, shape.scalar, shape.batches(), verify=False)
        parts.ends("capture")
        theta = gram_block(taken, taken)
        parts.ends("gram")
        form = quadratic_form(theta, 1 - taken.outputs, DAMPING)
        parts.ends("form")
        return Made(shape.n, {"term": form.term, "seconds": parts.seconds})

    return work


def _prepare_materialised(shape: Shape) -> Any:
    held = {name: tensor.detach() for name, tensor in shape.module.named_parameters()}
    chosen = {name: held.pop(name) for name in shape.names}

    def output(weights: dict[str, torch.Tensor], row: torch.Tensor, label: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits = torch.func.functional_call(shape.module, weights | held, (row[None],))
        value = scalars(logits, label[None])[0]
        return value, value.detach()

    gradients = torch.func.vmap(torch.func.grad(output, has_aux=True), in_dims=(None, 0, 0))

    def work() -> Made:
        width, low = sum(weight.numel() for weight in chosen.values()), 0
        rows, outputs = torch.empty(shape.n, width), torch.empty(shape.n)
        for inputs, labels in shape.batches():
            own = slice(low, low + len(inputs))
            found, outputs[own] = gradients(chosen, inputs, labels)
            torch.cat([found[name].flatten(1) for name in chosen], 1, out=rows[own])
            low = own.stop
        form = quadratic_form((rows @ rows.T).double(), 1 - outputs.double(), DAMPING)
        return Made(shape.n, {"term": form.term})

    return work


JOBS = {
    "mixval-2048": sketched(2048),
    "mixval-4096": sketched(4096),
    "mixval-exact": Job(_prepare_exact, "exact NTK term of the rows, and their kernel"),
    "materialising": Job(_prepare_materialised, "exact NTK term of the rows, from an array of all gradients"),
}
