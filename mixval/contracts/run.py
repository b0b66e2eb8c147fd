"""The summary of a run."""

from pydantic import Field

from mixval.config.base import FrozenModel
from mixval.contracts.warnings import RunWarning


class RunSummary(FrozenModel):
    """Location of the results, counts and times. Small enough to be a flow's return value."""

    run_id: str
    url: str
    """Folder of the run."""
    fingerprint: str
    """Of configuration and inputs: equal fingerprints have equal rankings."""
    up_to_date: bool = False
    """True when nothing had changed since this run, so nothing was computed."""
    n_planned: int
    n_ranked: int
    n_rejected: int
    n_failed: int
    recomputed: dict[str, int] = Field(default_factory=dict)
    """Kind of artifact -> how many were made."""
    reused: dict[str, int] = Field(default_factory=dict)
    """Kind of artifact -> how many were found and reused."""
    recomputed_contributors: list[str] = Field(default_factory=list)
    """Contributors of whom anything was measured anew."""
    timings_seconds: dict[str, float] = Field(default_factory=dict)
    """Stage -> wall seconds."""
    warnings: list[RunWarning] = Field(default_factory=list)
    """Reasons to be careful, worst first."""
