"""The gate's task. It runs in the flow's own process: reading and checking rows needs no model and no cluster."""

from mixval.config.valuation import ValuationConfig
from mixval.contracts.plan import ContributorPlan
from mixval.contracts.record import ArtifactRef
from mixval.stages import gating
from tasks.base import house_task


@house_task("gate {contributor.name}")
def gate_contributor(config: ValuationConfig, contributor: ContributorPlan, target: ArtifactRef) -> ArtifactRef:
    """The check of one contributor against the row contract, the limits and the target set."""
    return gating.gate_contributor(config, contributor, target)
