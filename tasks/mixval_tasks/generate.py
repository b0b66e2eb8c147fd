"""The task of one batch of prompts, answered on the cluster."""

from mixval.synthesis.local import Batch, answer_batch
from mixval.synthesis.requests import Answer, Failure
from mixval_tasks.base import house_task
from mixval_tasks.cluster import on_cluster


@house_task("{batch.label}")
def generate_batch(batch: Batch, most_seconds: float | None) -> list[Answer | Failure]:
    """The answers to a batch, by a worker's generator."""
    return on_cluster(answer_batch, batch, label=batch.label, most_seconds=most_seconds)
