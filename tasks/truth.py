"""Truth's task: one training of one contributor, or of a union, on the cluster."""

from mixval.contracts.record import ArtifactRef
from mixval.evidence.calibrating import train_here
from mixval.evidence.truth import TruthJob, truth_ref
from tasks.base import house_task
from tasks.cluster import on_cluster


@house_task("truth {job.contributor} seed {job.seed}")
def train_truth(job: TruthJob) -> ArtifactRef:
    """Metric and loss on the test set after one training."""
    ref = truth_ref(job)
    if job.store.committed(ref) is not None:
        return ref
    return on_cluster(train_here, job)
