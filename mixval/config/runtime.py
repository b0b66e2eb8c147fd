"""Where and how wide a run computes. Nothing here changes a result, so nothing here is in a fingerprint."""

from typing import Any, Literal

from pydantic import Field

from mixval.config.base import FrozenModel


class RuntimeConfig(FrozenModel):
    """The cluster, its workers and their batches."""

    cluster: Literal["auto", "local", "cuda"] | str = "auto"
    """`auto`: LocalCUDACluster when a GPU and the `gpu` extra are there, else LocalCluster. A `tcp://` address joins a
    running scheduler. A dotted name, e.g. `dask_jobqueue.SLURMCluster`, is called with `cluster_options`."""
    cluster_options: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments of the cluster class."""
    workers: int | None = Field(default=None, gt=0)
    """Worker processes of a local cluster. None: one a core."""
    threads_per_worker: int = Field(default=1, gt=0)
    """torch threads of a worker. Workers always run one task at a time."""
    worker_memory_bytes: int | None = Field(default=None, gt=0)
    """Memory a worker may use. None: the machine's memory over the workers."""
    gradient_bytes: int | None = Field(default=None, gt=0)
    """Bytes of gradients and their factors that a task holds at a time. None: a quarter of a worker's memory."""
    batch_rows: int = Field(default=32, gt=0)
    """Rows of one forward or backward pass."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the backbone runs."""
    retries: int = Field(default=2, ge=0)
    """Times that a task whose worker died is tried again. Storage failures are tried twice more, always."""
