"""The task of one training on one contributor or coalition, on the cluster."""

from mixval.contracts.record import ArtifactRef
from mixval.evidence.calibrating import train_here
from mixval.evidence.truth import TruthJob, truth_ref
from mixval_tasks.base import house_task
from mixval_tasks.cluster import committed_or_made


@house_task("truth {job.contributor} seed {job.seed}")
def train_truth(job: TruthJob) -> ArtifactRef:
    """Metric and loss on the test set after one training."""
    label = f"truth {job.contributor} seed {job.seed}"
    return committed_or_made(job.store, truth_ref(job), train_here, job, label=label)
