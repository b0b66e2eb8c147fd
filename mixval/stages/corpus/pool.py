"""Shards counted side by side in processes of their own: what a hostile file does to its reader ends that process alone."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

from mixval.contracts.record import ArtifactRef
from mixval.errors import ContractError, MixvalError
from mixval.stages.corpus.counting import CountJob, count_shard
from mixval.storage.commit import ArtifactStore

Outcome = ArtifactRef | MixvalError
"""The counts of a shard, or why there are none."""


def counted(store: ArtifactStore, jobs: Sequence[CountJob], definition: str, n_workers: int) -> Iterator[tuple[int, Outcome]]:
    """(position, outcome) of each job as it ends. With one worker, in this process.

    A storage error, which concerns all, is raised.
    """
    if n_workers <= 1 or len(jobs) <= 1:
        for at, job in enumerate(jobs):
            yield at, _outcome(store, job, definition)
        return
    left = list(range(len(jobs)))
    pool = _pool(min(n_workers, len(jobs)))
    broken: list[int] = []
    with pool:
        running: dict[Future[Outcome], int] = {pool.submit(_outcome, store, jobs[at], definition): at for at in left}
        for future in as_completed(running):
            try:
                yield running[future], future.result()
            except BrokenProcessPool:
                broken.append(running[future])
    for at in sorted(broken):  # one of these ended the pool, and which one only its own process tells
        yield at, _alone(store, jobs[at], definition)


def _pool(n_workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(n_workers, multiprocessing.get_context("spawn"), initializer=_one_thread)


def _one_thread() -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


def _alone(store: ArtifactStore, job: CountJob, definition: str) -> Outcome:
    with _pool(1) as pool:
        try:
            return pool.submit(_outcome, store, job, definition).result()
        except BrokenProcessPool:
            return ContractError(
                f"shard '{job.shard.name}' ({job.shard.url}): expected rows that can be counted, found that they end the "
                "process which reads them. Leave the shard out."
            )


def _outcome(store: ArtifactStore, job: CountJob, definition: str) -> Outcome:
    try:
        return count_shard(store, job, definition)
    except ContractError as error:
        return ContractError(str(error))
