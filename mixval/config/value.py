"""What a value is, and how it gets intervals and ties: the NTK-regression value, or Eq. 8 with its weights."""

from typing import Literal

from pydantic import Field, model_validator

from mixval.config.base import FrozenModel
from mixval.config.tasks import Task, spec_of

Rule = Literal["equal-z", "scale-matched", "published", "shipped", "fitted", "davinz"]


class ValueConfig(FrozenModel):
    """The reduce stage. Changing it recomputes no term, but for the half-samples, which are replicates of the terms."""

    method: Literal["ntk-regression", "eq8"] = "ntk-regression"
    """`ntk-regression`: what training on the contributor, linearised, would do for T, in nats: minus the cross-entropy on T,
    for causal LMs the gain in mean log-probability of T's answer tokens. `eq8`: Eq. 8, minus its weighted terms. Both show the
    terms."""
    gain: Literal["trained", "first-order"] | None = None
    """Of causal LMs by `method: ntk-regression`. `first-order`: as regression predicts it, whatever the way. `trained`: less
    what the way costs, half the mean slope over the run's contributors a unit, since a loss bends up. Unless written, `trained`
    for a checkpoint and `first-order` for `random_init`, where every way still leads down."""
    damping: float | None = Field(default=None, gt=0)
    """lambda of `method: ntk-regression`; `ntk.damping` is Eq. 8's. Classification: times the mean diagonal of Theta less its
    mean entry, 1 unless written. Causal LMs: times the mean diagonal, 0.01 unless written. Dimensionless."""
    rows: Literal["read", "gradients"] | None = None
    """Whose rows a value by `method: ntk-regression` speaks for. `gradients`: those whose gradients are taken, `ntk.sample`.
    `read`: all that `sample` reads, 8,192 at most; what the others do is told by a regression on the backbone's frozen
    features. Unless written, `read` for classification with `discrepancy.features: backbone`, else `gradients`."""
    weights: Rule | None = None
    """Of Eq. 8's terms; unless written `shipped` for `eq8`, and `equal-z` beside a regression value. `equal-z`: each term
    standardised over contributors. `scale-matched`: w_j = 1 / mean of term j. `published`: (1/2, 1/2, 0, 0), what the paper's
    regression gives. `shipped`: of standardised terms, fitted to truth by training in the worlds of mixval's evidence.
    `fitted`: from `fitted_weights`. `davinz`: -kappa NTK - MMD."""
    fitted_weights: str | None = None
    """URL of a `weights.json` that `mixval calibrate` has published: fitted weights and their provenance."""
    fitted_elsewhere: Literal["refuse", "accept"] = "refuse"
    """What to do with `fitted_weights` of another task or backbone than this run's."""
    uninformative: Literal["drop", "keep"] = "drop"
    """Whether a term whose spread is within its standard error counts in `equal-z` and `shipped`, where it would be noise blown
    up."""
    half_samples: int = Field(default=200, ge=0, le=10_000)
    """Replicates behind the intervals: each recomputes every term on half of each part's rows. 0: no intervals."""
    half_sample_rows: int = Field(default=1000, gt=3)
    """Gradient rows at most in a replicate; the spread is rescaled to the rows used."""
    coalitions: int = Field(default=1000, ge=0)
    """`ntk.method: sketched` with two contributors or more: coalitions that Shapley values may take. They are exact where all
    2^K are no more, with K up to 12 (4096), else sampled until the largest standard error is a tenth of their spread. 0:
    none."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """Level of intervals and ties. Dimensionless."""
    delta: float = Field(default=0.05, gt=0, lt=1)
    """Probability with which the bound of Theorem 1 may fail."""
    bound_constant: float = Field(default=1.0, gt=0)
    """C in the bound; the paper leaves it open, so only differences between bounds mean something."""

    @property
    def rule(self) -> Rule:
        """`weights`, or the method's own."""
        return self.weights or ("shipped" if self.method == "eq8" else "equal-z")

    def damping_for(self, task: Task) -> float:
        """`damping`, or the task's own."""
        return self.damping or spec_of(task).damping

    @model_validator(mode="after")
    def _one_replicate_has_no_spread(self) -> "ValueConfig":
        if self.half_samples == 1:
            raise ValueError("`half_samples: 1` has no spread. Take some hundreds, or 0 for no intervals")
        return self

    @model_validator(mode="after")
    def _weights_are_of_eq_8(self) -> "ValueConfig":
        if self.method == "ntk-regression" and self.weights not in (None, "equal-z"):
            raise ValueError(
                f"`weights: {self.weights}` are of Eq. 8's terms, which `method: ntk-regression` does not weigh. Write "
                f"`method: eq8` "
                "too, or leave them out"
            )
        return self

    @model_validator(mode="after")
    def _fitted_needs_artifact(self) -> "ValueConfig":
        if (self.weights == "fitted") != (self.fitted_weights is not None):
            raise ValueError("`weights: fitted` and `fitted_weights: URL` go together")
        return self
