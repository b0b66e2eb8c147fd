"""Everything a worker needs to measure one contributor, small enough to send with a task."""

from typing import Any

from mixval.config.backbone import BackboneConfig
from mixval.config.base import FrozenModel
from mixval.config.sample import SampleConfig
from mixval.config.source import SourceConfig
from mixval.config.tasks import Task
from mixval.config.terms import DiscrepancyConfig, LossConfig, NtkConfig
from mixval.config.valuation import ValuationConfig
from mixval.config.value import ValueConfig
from mixval.contracts.labels import NO_NAMES, TargetClasses
from mixval.contracts.outcomes import GateOutcome
from mixval.contracts.parts import PARTS
from mixval.contracts.plan import ContributorPlan
from mixval.contracts.record import ArtifactRef
from mixval.storage.commit import ArtifactStore
from mixval.storage.root import open_location


class MeasureJob(FrozenModel):
    """One contributor, or the target set, and everything that its terms depend on."""

    contributor: ContributorPlan
    n_real: int
    """Admitted real rows."""
    n_synthetic: int
    """Admitted synthetic rows."""
    bad_rows: ArtifactRef | None
    """Rows that the gate drops, committed under a digest of which they are. None when there are none."""
    output: str
    """URL of the output root."""
    source: SourceConfig
    task: Task
    backbone: BackboneConfig
    identity: dict[str, Any]
    """The backbone's entry in fingerprints (`mixval.models.identity`)."""
    classes: list[int] | None
    """The target's labels in order. None where rows have no label."""
    target_classes: TargetClasses = NO_NAMES
    """What the target calls them."""
    sample: SampleConfig
    loss: LossConfig
    discrepancy: DiscrepancyConfig
    ntk: NtkConfig
    value: ValueConfig
    values_rows_read: bool
    """`ValuationConfig.values_rows_read`."""
    seed: int
    batch_rows: int
    """Rows of a pass. Not part of any fingerprint: results do not depend on it."""
    device: str
    gradient_bytes: int | None = None
    """Bytes of gradients and factors in memory at a time. Not part of any fingerprint either."""

    @property
    def rows_by_part(self) -> dict[str, int]:
        """Part -> admitted rows."""
        return dict(zip(PARTS, (self.n_real, self.n_synthetic), strict=True))

    @property
    def is_ntk_regression(self) -> bool:
        """Whether the value is by NTK regression, and not by Eq. 8."""
        return self.value.method == "ntk-regression"

    @property
    def regression_damping(self) -> float:
        """lambda of NTK regression, relative."""
        return self.value.damping_for(self.task)

    @property
    def store(self) -> ArtifactStore:
        """Where artifacts are committed."""
        return ArtifactStore(open_location(self.output, self.source.storage))

    def rows_key(self) -> dict[str, Any]:
        """What determines which rows are drawn, whatever their shards are called or how they are read."""
        return (
            {
                "content": self.contributor.digest,
                "bad_rows": self.bad_rows.fingerprint if self.bad_rows else None,
                "columns": self.source.columns,
                "origin": self.source.origin,
                "task": self.task,
                "seed": self.seed,
            }
            | self._names_key()
            | self.source.naming_key()
        )

    def _names_key(self) -> dict[str, Any]:
        """What the target calls its classes determines how names are read as labels."""
        classes = self.target_classes
        return {"class_names": [list(classes.names), classes.are_labels]} if classes.names else {}

    def model_key(self) -> dict[str, Any]:
        """What determines the numbers of a pass over given rows."""
        return {"backbone": self.identity, "classes": self.classes}


def bad_rows_ref(config: ValuationConfig, fingerprint: str) -> ArtifactRef:
    """The artifact of the bad rows that a gate's outcome names."""
    return ArtifactRef(kind="bad-rows", fingerprint=fingerprint, root=config.output)


def contributor_job(
    config: ValuationConfig,
    plan: ContributorPlan,
    outcome: GateOutcome,
    identity: dict[str, Any],
    classes: list[int] | None,
    target_classes: TargetClasses = NO_NAMES,
) -> MeasureJob:
    """The job of an admitted contributor."""
    bad = outcome.bad_rows
    rows = (outcome.n_real, outcome.n_synthetic, bad_rows_ref(config, bad) if bad else None, config.sample)
    return _job(config, plan, rows, identity, classes, target_classes)


def target_job(
    config: ValuationConfig,
    plan: ContributorPlan,
    identity: dict[str, Any],
    classes: list[int] | None,
    target_classes: TargetClasses = NO_NAMES,
) -> MeasureJob:
    """The job of the target set: all real, sampled by `discrepancy.target_sample`."""
    rows = (plan.n_rows, 0, None, config.discrepancy.target_sample)
    return _job(config, plan, rows, identity, classes, target_classes)


def _job(
    config: ValuationConfig,
    plan: ContributorPlan,
    rows: tuple[int, int, ArtifactRef | None, SampleConfig],
    identity: dict[str, Any],
    classes: list[int] | None,
    target_classes: TargetClasses,
) -> MeasureJob:
    """The job of these `rows`: how many are real and synthetic, which are dropped, how they are sampled.

    Its parts are those of a configuration that was checked as a whole, so nothing is checked again for each contributor.
    """
    n_real, n_synthetic, bad_rows, sample = rows
    return MeasureJob.model_construct(
        contributor=plan,
        n_real=n_real,
        n_synthetic=n_synthetic,
        bad_rows=bad_rows,
        output=config.output,
        source=config.source,
        task=config.task,
        backbone=config.backbone,
        identity=identity,
        classes=classes,
        target_classes=target_classes,
        sample=sample,
        loss=config.loss,
        discrepancy=config.discrepancy,
        ntk=config.ntk,
        value=config.value,
        values_rows_read=config.values_rows_read,
        seed=config.seed,
        batch_rows=config.runtime.batch_rows,
        device=config.runtime.device,
        gradient_bytes=config.runtime.gradient_bytes,
    )
