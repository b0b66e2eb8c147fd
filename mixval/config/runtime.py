"""Cluster, workers and memory of a run. None of it changes a result, so none of it is part of a fingerprint."""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from mixval.config.base import FrozenModel


@dataclass(frozen=True)
class Telling:
    """What a run tells besides its results, and where; the fields of `RuntimeConfig` of these names."""

    metrics: str = "textfile"
    lineage: bool = True
    log: str = "text"


class RuntimeConfig(FrozenModel):
    """The Dask cluster, its workers and their batches."""

    cluster: Literal["auto", "local", "cuda"] | str = "auto"
    """`auto`: LocalCUDACluster when a GPU and the `gpu` extra are available, else LocalCluster. A `tcp://` address: the
    scheduler that runs there. A dotted class name, e.g. `dask_jobqueue.SLURMCluster`: a cluster made with `cluster_options`."""
    cluster_options: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments of the cluster class."""
    workers: int | None = Field(default=None, gt=0)
    """Worker processes of a local cluster. None: one per core."""
    threads_per_worker: int = Field(default=1, gt=0)
    """torch threads of a worker. A worker always runs one task at a time."""
    worker_memory_bytes: int | None = Field(default=None, gt=0)
    """Bytes of memory that a worker may use; one that takes more is ended, and the contributor whose task ran there fails.
    None: the machine's memory divided by the number of workers."""
    task_seconds: float | None = Field(default=None, gt=0)
    """Seconds that a task on a contributor's data (its check, or a step of its measurement) may take on a worker; one that
    takes more is ended, and the contributor fails. None: 600, 20 times what the plan says, 0.05 a row and 1 a MiB, together."""
    gradient_bytes: int | None = Field(default=None, gt=0)
    """Bytes of gradients and their factors in memory at a time, per task. None: a quarter of a worker's memory."""
    batch_rows: int = Field(default=32, gt=0)
    """Rows of one forward or backward pass."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the backbone runs."""
    retries: int = Field(default=2, ge=0)
    """How often a task is run again whose worker ended while it ran; then its contributor fails. Storage failures are always
    retried twice."""
    metrics: str = "textfile"
    """Where a run's metrics go. `textfile`: `OUTPUT/telemetry/FLOW.prom`. A folder, as a node exporter's: a file there. An http
    address: a push gateway. `none`: nowhere."""
    lineage: bool = True
    """Whether a run's OpenLineage events are kept, in `OUTPUT/telemetry/lineage`, and sent where `OPENLINEAGE_URL` says."""
    log: Literal["text", "json"] = "text"
    """How a run reports on standard error: for people, or as JSON objects, one a line, with run, stage and contributor."""

    @property
    def telling(self) -> Telling:
        """What a run tells, apart from the rest of the configuration."""
        return Telling(self.metrics, self.lineage, self.log)
