"""Exact kernels: of each contributor a forward pass over its sample and the whole Gram matrix of a smaller, nested one.

Features and kernels of single rows are stored, so terms and value need no other pass; there are no sums over contributors,
hence no values of coalitions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mixval.config.valuation import ValuationConfig
from mixval.config.value import ValueConfig
from mixval.contracts.plan import ContributorPlan, ShardRef
from mixval.contracts.record import ArtifactRef
from mixval.publish.paper_deviations import RouteDeviations, limit_words, terms_from
from mixval.stages.forward import forward_pass, forward_ref
from mixval.stages.frozen_head import head_bytes
from mixval.stages.gradients import gram_ref, gram_work
from mixval.stages.jobs import MeasureJob
from mixval.stages.measured import Measured
from mixval.stages.preconditioning import preconditioner_steps
from mixval.stages.regression_value import exact_regression_value
from mixval.stages.routes.base import PROCESS_BYTES, Route, Sizes, row_bytes, rows_drawn
from mixval.stages.steps import Step, one_call
from mixval.terms.ntk.groups import GRADIENTS_SHARE, layer_groups, least_bytes

GRAM_COPIES = 3
"""Gram matrices in memory of a task at most: the matrix, its damped factor or another part, and the file to write."""
SWITCHES = {"method", "residual", "damping", "damping_mode", "n_blocks"}
"""Of `ntk`, that terms from a Gram matrix depend on."""
Blocks = tuple[dict[str, np.ndarray], dict[str, np.ndarray]]
"""Tensors of the forward pass and of the Gram matrix."""


class ExactRoute(Route[Blocks]):
    """Gram matrices of rows."""

    name = "exact"
    how_to_fit = (
        "Set `ntk.method: sketched`, which holds sums instead of a Gram matrix, whatever the rows; or lower `sample.count`, "
        "`ntk.sample.count`, `runtime.batch_rows` or `runtime.gradient_bytes`"
    )

    def plan_contributor(self, name: str, shards: list[ShardRef], sizes: Sizes) -> ContributorPlan:
        """T's gradient sample goes through the gradient passes with the contributor's, where the value is a regression."""
        config, footprint, budget = sizes.config, sizes.footprint, sizes.budget_bytes
        n_rows = sum(shard.n_rows for shard in shards)
        n_sampled, n_gradient = rows_drawn(n_rows, config.sample), rows_drawn(n_rows, config.ntk.sample)
        row_memory = row_bytes(shards, max(n_sampled, n_gradient), n_sampled, footprint)
        n_kernel = n_gradient + sizes.beside(config.ntk.sample)
        # Gradients take the budget, or less where all of them together do.
        taken = min(budget, n_kernel * sum(footprint.weight_bytes.values()) / GRADIENTS_SHARE)
        # The terms, which need features too, are computed in a separate task.
        has_head = config.values_rows_read and 0 < n_gradient < n_sampled
        kernels = max(GRAM_COPIES * 8 * n_kernel * n_kernel, head_bytes(n_sampled) if has_head else 0)
        groups = layer_groups(footprint.weight_bytes, n_kernel, budget) if n_kernel else []
        pass_bytes = sizes.pass_bytes(max(n_sampled, n_kernel))
        return ContributorPlan(
            name=name,
            shards=shards,
            n_rows=n_rows,
            n_sampled=n_sampled,
            n_gradient_rows=n_gradient,
            n_passes=len(groups),
            gradient_bytes=budget,
            pass_bytes=pass_bytes,
            task_bytes=int(PROCESS_BYTES + row_memory + taken + kernels + footprint.model_bytes + pass_bytes),
            seconds=footprint.seconds(n_sampled, n_kernel * max(1, len(groups))) if n_rows else 0.0,
        )

    def row_passes(self, one: ContributorPlan, value: ValueConfig, n_target: int) -> dict[str, int]:
        """The forward pass; kernel rows as often as groups of layers take a pass; terms."""
        n_kernel = one.n_gradient_rows + (n_target if value.method == "ntk-regression" else 0)
        return {"forward": one.n_sampled, "gram": n_kernel * max(1, one.n_passes), "terms": one.n_gradient_rows}

    def misfit(self, one: ContributorPlan, sizes: Sizes) -> str | None:
        """The widest weight's gradients of one batch must fit the budget."""
        config, budget = sizes.config, sizes.budget_bytes
        n_rows, batch_rows = one.n_gradient_rows + sizes.beside(config.ntk.sample), config.runtime.batch_rows
        least = least_bytes(sizes.footprint.weight_bytes, n_rows, batch_rows)
        if not one.n_rows or budget >= least:
            return None
        return (
            f"the gradients of {min(n_rows, batch_rows)} rows over the widest weight do not fit the budget. "
            f"Expected at least {least / 2**20:,.1f} MiB, found {budget / 2**20:,.1f} MiB (`runtime.gradient_bytes`, by "
            "default a quarter of a worker's memory). Raise it, lower `runtime.batch_rows`, or choose other `ntk.parameters`."
        )

    def notes(self, config: ValuationConfig) -> list[str]:
        """Of all gradients."""
        if config.ntk.sample.count is not None or config.ntk.sample.fraction is not None:
            return []
        return ["every row's gradient is taken (`ntk.sample` is not set): the Gram matrix grows with rows squared"]

    def paper_deviations(self, config: ValuationConfig) -> RouteDeviations:
        """Samples of rows, and smaller ones of gradients."""
        read, taken = limit_words(config.sample), limit_words(config.ntk.sample)
        told = terms_from("read")
        estimated = f"{told[:1].upper()}{told[1:]} are estimated on {read} of a contributor; the paper uses all rows."
        rows = [estimated] if read else []
        if taken is None:
            return RouteDeviations(rows, [])
        return RouteDeviations(
            rows,
            [
                f"NTK: gradients of {taken} a contributor, and the term moves with that number; "
                "the paper takes 1 % for language models, else all."
            ],
        )

    def passes(self, jobs: Sequence[MeasureJob], target: MeasureJob) -> dict[str, list[ArtifactRef]]:
        """Forward passes, T's among them, and Gram matrices."""
        return {
            "forward": [forward_ref(job) for job in (target, *jobs)],
            "gram": [gram_ref(job, target) for job in jobs],
            **{one.ref.kind: [one.ref] for one in preconditioner_steps(target)},
        }

    def shared_steps(self, target: MeasureJob) -> list[Step]:
        """T's forward pass, and its preconditioner if any."""
        forward = one_call("forward target", target.store, forward_ref(target), forward_pass, target)
        return [forward, *preconditioner_steps(target)]

    def own_steps(self, job: MeasureJob, target: MeasureJob) -> list[Step]:
        """The Gram matrix, a large one as groups of layers side by side, and the forward pass. Neither waits for T's pass, but
        gradients for T's preconditioner."""
        name, after = job.contributor.name, tuple(preconditioner_steps(target))
        return [
            Step(f"gram {name}", job.store, gram_ref(job, target), lambda: gram_work(job, target), after),
            one_call(f"forward {name}", job.store, forward_ref(job), forward_pass, job),
        ]

    def inputs(self, job: MeasureJob, target: MeasureJob) -> dict[str, Any]:
        """Both passes."""
        measured: dict[str, Any] = {"forward": forward_ref(job).fingerprint, "gram": gram_ref(job, target).fingerprint}
        if job.is_ntk_regression:
            measured["regression_value"] = [job.regression_damping] + (["rows-read", 1] if job.values_rows_read else [])
        return measured | {"ntk": job.ntk.model_dump(include=SWITCHES)}

    def stored(self, job: MeasureJob, target: MeasureJob) -> Blocks:
        """The tensors of both passes."""
        return job.store.read_tensors(forward_ref(job)), job.store.read_tensors(gram_ref(job, target))

    def value(self, job: MeasureJob, target: MeasureJob, stored: Blocks) -> Measured:
        """From the kernel blocks; of labelled rows, from the features of all that were read too."""
        return exact_regression_value(job, target, *stored)
