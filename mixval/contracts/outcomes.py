"""The gate's outcome for each contributor, updated by later stages."""

from typing import Literal

from pydantic import Field

from mixval.config.base import FrozenModel
from mixval.contracts.plan import WorkPlan

Verdict = Literal["admitted", "trimmed", "rejected", "failed"]
"""`trimmed`: admitted after bad rows were dropped. `failed`: it could not be checked, or passed the gate and could not be
measured."""


class Finding(FrozenModel):
    """One expectation that was not met."""

    expectation: str
    """Great Expectations' name of it, e.g. `expect_column_values_to_not_be_null`."""
    column: str | None
    severity: Literal["warn", "drop", "reject"]
    """`warn`: recorded. `drop`: the rows are left out. `reject`: the contributor is."""
    count: int
    """Rows (or values) that break it."""
    n_checked: int
    """Rows (or values) that were checked."""
    samples: list[str] = Field(default_factory=list)
    """A few of the values, shortened."""
    message: str
    """What was expected, what was found, where, what to do."""


class GateOutcome(FrozenModel):
    """The gate's outcome for one contributor."""

    contributor: str
    verdict: Verdict
    n_rows: int
    """Rows read by the gate."""
    n_real: int
    """Admitted real rows."""
    n_synthetic: int
    """Admitted synthetic rows."""
    n_dropped: int
    """Bad rows left out."""
    n_repeats: int = 0
    """Of the bad rows, those that repeat an earlier row."""
    n_in_target: int = 0
    """Of the bad rows, those whose inputs are in the target."""
    n_truncated: int = 0
    """Rows cut to the model's context."""
    findings: list[Finding] = Field(default_factory=list)
    near_target: float | None = None
    """Share (0 to 1) of the admitted rows that nearly repeat a row of the target, beyond chance (`mixval/gate/near.py`). None
    where the target has too few rows to tell."""
    near_copies: dict[str, float] = Field(default_factory=dict)
    """Other contributor -> share (0 to 1) of the admitted rows that repeat one of its, exactly or nearly, beyond chance. Of the
    best-ranked contributors; without those where it is 0."""
    class_names_unsaid: bool = False
    """Whether its labels are integers whose names only its files or only the target's say, so that none could be compared."""
    origin_denied: bool = False
    """Whether its own origin column says otherwise of some rows than `source.origin`, which was followed."""
    reason: str | None = None
    """Why it was rejected or failed, in one sentence. None when admitted."""
    bad_rows: str | None = None
    """Fingerprint of the committed list of bad rows (kind `bad-rows`). None when there are none."""
    data_docs: str | None = None
    """Page of the Data Docs, relative to the run's folder. None when there is none."""

    @property
    def is_in(self) -> bool:
        """Whether it goes on to be measured."""
        return self.verdict in ("admitted", "trimmed")


def planned_failures(plan: WorkPlan) -> dict[str, GateOutcome]:
    """The outcomes that are known from the plan alone, by contributor: of those that no worker can measure."""
    return {one.name: failed_outcome(one.name, one.problem) for one in plan.contributors if one.problem is not None}


def failed_outcome(contributor: str, reason: str) -> GateOutcome:
    """Of a contributor that could not be checked, by the reason."""
    counts = {"n_rows": 0, "n_real": 0, "n_synthetic": 0, "n_dropped": 0}
    return GateOutcome(contributor=contributor, verdict="failed", reason=reason, **counts)
