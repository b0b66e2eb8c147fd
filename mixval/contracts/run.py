"""The summary of a run."""

from pydantic import Field

from mixval.config.base import FrozenModel
from mixval.contracts.results import Verdict
from mixval.contracts.warnings import RunWarning


class ContributorSummary(FrozenModel):
    """The result of one contributor, as in `ranking.parquet`."""

    contributor: str
    verdict: Verdict
    sentence: str
    """The verdict with its reason."""
    rank: int | None
    value: float
    value_low: float | None
    value_high: float | None
    value_of_empty: float | None


class RunSummary(FrozenModel):
    """Location of the results, counts and times. Small enough to be a flow's return value."""

    headline: str
    """What the ranking says first: who is worth most, or that there is no ranking and why."""
    verdicts: str
    """Whom to take, whom to leave, and of whom neither can be said; a few names of each."""
    is_ordered: bool
    """Whether contributors have an order; if not, none has a rank."""
    run_id: str
    url: str
    """Folder of the run."""
    fingerprint: str
    """Of configuration and inputs: equal fingerprints have equal rankings."""
    up_to_date: bool = False
    """True when nothing had changed since this run, so nothing was computed."""
    n_planned: int
    n_ranked: int
    """Contributors with a value."""
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
    contributors: list[ContributorSummary] = Field(default_factory=list)
    """Those with a value, best first, or by name where they have no order."""
