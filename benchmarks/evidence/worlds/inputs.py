"""A world as ranking methods see it."""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks.evidence.worlds.row_regression import regression_of_rows
from benchmarks.evidence.worlds.world import World
from mixval.config.tasks import LABEL_DAMPING, TOKEN_DAMPING
from mixval.config.valuation import ValuationConfig, merge
from mixval.evidence.baselines.inputs import Budget, Contributor, Inputs
from mixval.evidence.baselines.product import ProductValues, product_values
from mixval.models.backbone import Backbone
from mixval.terms.ntk.objective import TargetObjective, lengths
from mixval.terms.ntk.target_metrics import one_hot
from mixval.terms.ntk.value import regression_value, run_values


def inputs_of(world: World, backbone: Backbone, budget: Budget | None = None, config: ValuationConfig | None = None) -> Inputs:
    """What methods may see of a world: everything but its test set, its facts and its ledgers.

    `config` is that of the world where it is laid out, under `measured`; without it the product has no values.
    """
    contributors = [Contributor(one.name, one.table) for one in world.contributors]
    valuation = None if config is None else partial(product_values, config)
    return Inputs(world.design.task, contributors, world.target, backbone, budget or Budget(), valuation)


def measured(config: ValuationConfig, budget: Budget) -> ValuationConfig:
    """A world's configuration as the evidence measures it: gradients of all rows, sketched, sized as for all methods.

    Values are points here: no coalitions, and the fewest replicates, two. There must be some, since rows are stored for them
    alone, and a small contributor is solved from its rows in a quarter of the time. Causal LMs' gains are less the displacement
    penalty, for every backbone. Rows count as real, whatever they are: a value by regression takes both parts together, and the
    gate refuses a contributor with a single row of one part, which a drawn one may have.
    """
    every = {"count": None, "fraction": None}
    settings = {
        "source": {"origin": "real"},
        "sample": every,
        "discrepancy": {"target_sample": every},
        "ntk": {
            "method": "sketched",
            "sketch_features": budget.sketch_features,
            "parameters": list(budget.parameters),
        },
        "value": {"method": "ntk-regression", "gain": "trained", "replicates": 2, "coalitions": 0},
        "runtime": {"batch_rows": budget.batch_rows},
    }
    return ValuationConfig.model_validate(merge(config.model_dump(mode="json", exclude_unset=True), settings))


def sketched_values(inputs: Inputs) -> ProductValues:
    """Values of rows that lie in no source: by the functions that make a run's values, from the sketches that methods share."""
    sketches, target = inputs.gradients("mix"), inputs.gradients("mix").target.astype(np.float64)
    if inputs.has_labels:
        labels, n = inputs.labels(), inputs.n_classes
        objective = TargetObjective(labels=labels.target, n_classes=n, norms=lengths(target))
        responses, damping = [one_hot(own, n) for own in labels.contributors], LABEL_DAMPING
    else:
        passes = inputs.passes()
        objective = TargetObjective(tokens=passes.target.counts)
        asked = [(1 - one.probabilities) * one.counts for one in passes.contributors]
        responses, damping = [(one / objective.unit)[:, None] for one in asked], TOKEN_DAMPING
    regressions = [
        regression_of_rows(rows.astype(np.float64), target, right)
        for rows, right in zip(sketches.contributors, responses, strict=True)
    ]
    found = [regression_value(one, objective, damping) for one in regressions]
    moved = None if inputs.has_labels else [one.change.displacement for one in found]
    names = [one.name for one in inputs.contributors]
    diagnostics = [
        objective.diagnostics(regression.diagnosed(one.change)) | {"estimate": one.value}
        for regression, one in zip(regressions, found, strict=True)
    ]
    values = run_values([one.value for one in found], displacements=moved).values.tolist()
    return ProductValues(dict(zip(names, values, strict=True)), dict(zip(names, diagnostics, strict=True)), {}, "", 0.0, 0)
