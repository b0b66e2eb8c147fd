"""What the configurations of all experiments have: where they write, how they open what they read, and on which cluster."""

from __future__ import annotations

from pydantic import Field

from mixval.config.base import FrozenModel
from mixval.config.runtime import RuntimeConfig
from mixval.config.source import StorageConfig


class GridConfig(FrozenModel):
    """Trainings over a grid, below one output."""

    storage: StorageConfig = StorageConfig()
    """How the URLs are opened."""
    output: str
    """URL under which trainings and runs are written."""
    runtime: RuntimeConfig = RuntimeConfig()
    """Cluster, workers and memory."""
    seed: int = Field(default=0, ge=0)
    """Seed of all random draws."""
