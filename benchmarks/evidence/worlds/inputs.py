"""A world as ranking methods see it."""

from __future__ import annotations

from benchmarks.evidence.worlds.world import World
from mixval.evidence.baselines.inputs import Budget, Contributor, Inputs
from mixval.models.backbone import Backbone


def inputs_of(world: World, backbone: Backbone, budget: Budget | None = None) -> Inputs:
    """What methods may see of a world: everything but its test set, its facts and its ledgers."""
    contributors = [Contributor(one.name, one.table) for one in world.contributors]
    return Inputs(world.design.task, contributors, world.target, backbone, budget or Budget())
