"""The task of the measure stage: one step of a run, made on the cluster."""

from mixval.contracts.record import ArtifactRef
from mixval.stages.steps import Step, make_step
from mixval_tasks.base import house_task
from mixval_tasks.cluster import map_on_cluster, on_cluster


@house_task("{step.label}")
def run_step(step: Step) -> ArtifactRef:
    """The step's artifact: reused, or made on a worker, with its pieces distributed over all workers."""
    return make_step(step, _on_workers)


def _on_workers(step: Step) -> None:
    work = step.work()
    if work.piece is not None:
        map_on_cluster(work.piece, work.pieces, step.label, step.most_seconds)
    on_cluster(work.call, *work.arguments, label=step.label, most_seconds=step.most_seconds)
