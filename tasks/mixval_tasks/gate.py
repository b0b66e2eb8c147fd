"""The gate's task: the check of one contributor on the cluster, where rows that crash a reader do not stop the flow."""

from mixval.config.valuation import ValuationConfig
from mixval.contracts.plan import ContributorPlan
from mixval.contracts.record import ArtifactRef
from mixval.stages import gating
from mixval_tasks.base import house_task
from mixval_tasks.cluster import committed_or_made


@house_task("gate {contributor.name}")
def gate_contributor(config: ValuationConfig, contributor: ContributorPlan, target: ArtifactRef) -> ArtifactRef:
    """The check of one contributor against the row contract, the limits and the target set."""
    return committed_or_made(
        gating.open_store(config),
        gating.gate_ref(config, contributor, target),
        gating.gate_contributor,
        config,
        contributor,
        target,
        label=f"gate {contributor.name}",
        most_seconds=contributor.most_seconds,
    )
