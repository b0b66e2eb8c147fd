"""The task of the measure stage: one step of a run, made on the cluster."""

import time

from mixval.contracts.record import ArtifactRef
from mixval.publish.names import visible
from mixval.stages.steps import Step, make_step
from mixval_tasks.base import house_task, log_run
from mixval_tasks.cluster import map_on_cluster, on_cluster


@house_task("{step.label}")
def run_step(step: Step) -> ArtifactRef:
    """The step's artifact: reused, or made on a worker, with its pieces distributed over all workers."""
    began = time.perf_counter()
    ref = make_step(step, _on_workers)
    log_run("%s: ready after %.1f s", visible(step.label), time.perf_counter() - began)
    return ref


def _on_workers(step: Step) -> None:
    work = step.work()
    if work.piece is not None:
        map_on_cluster(work.piece, work.pieces, step.label, step.most_seconds)
    on_cluster(work.call, *work.arguments, label=step.label, most_seconds=step.most_seconds)
