"""How values, intervals and ties are computed: the NTK-regression value, or Eq. 8 with its weights."""

from typing import Any, Literal

from pydantic import Field, model_validator

from mixval.config.base import FrozenModel
from mixval.config.tasks import Task, spec_of

Rule = Literal["equal-z", "scale-matched", "published", "shipped", "fitted", "davinz"]


class ValueConfig(FrozenModel):
    """From terms to values. Changing it recomputes no term, except for replicates and confidence."""

    method: Literal["ntk-regression", "eq8"] = "ntk-regression"
    """`ntk-regression`: predicted result on T of training on the contributor, with the model linearised at its initial
    parameters: minus the cross-entropy on T, in nats; for causal LMs a score, the gain in mean log-probability of T's answer
    tokens.
    `eq8`: Eq. 8, minus the weighted sum of its terms. The terms are reported with both."""
    gain: Literal["trained", "first-order"] | None = None
    """Causal LMs with `method: ntk-regression`. `first-order`: the gain in log-probability as regression predicts it.
    `trained`: less a displacement penalty, since the loss curves upwards: per unit of parameter displacement, a quarter of the
    mean slope over the run's contributors. None: `trained` for a checkpoint or an own module, `first-order` for `random_init`,
    where loss still falls in every direction."""
    damping: float | None = Field(default=None, gt=0)
    """lambda of `method: ntk-regression` (that of Eq. 8 is `ntk.damping`), dimensionless. Classification: multiple of the mean
    diagonal of Theta less its mean entry; None: 1. Causal LMs: multiple of the mean diagonal; None: 0.1 with
    the preconditioner of a checkpoint, 10 with `random_init.architecture: ngrams`, else 0.01."""
    rows: Literal["read", "gradients"] | None = None
    """Rows that a value by `method: ntk-regression` is computed from, with `ntk.method: exact`. `gradients`: those of
    `ntk.sample`, whose gradients are taken. `read`: all rows of `sample`, at most 8,192; those without gradients enter through
    a regression on the backbone's frozen features. None: `read` for classification with `discrepancy.features: backbone`, else
    `gradients`."""
    weights: Rule | None = None
    """Weights of Eq. 8's terms. None: `shipped` for `eq8`, `equal-z` where the value is the regression's. `equal-z`: each term
    standardised over contributors, all alike. `scale-matched`: w_j = 1 / mean of term j. `published`: (1/2, 1/2, 0, 0), as the
    paper's regression gives. `shipped`: standardised terms, weights fitted to trainings on mixval's benchmark data. `fitted`:
    from `fitted_weights`. `davinz`: -kappa NTK - MMD."""
    fitted_weights: str | None = None
    """URL of a `weights.json` written by `mixval calibrate`: fitted weights and their provenance."""
    fitted_elsewhere: Literal["refuse", "accept"] = "refuse"
    """Whether to accept `fitted_weights` from another task or backbone than this run's."""
    uninformative: Literal["drop", "keep"] = "drop"
    """What `equal-z` and `shipped` do with a term whose spread over contributors is within its standard error: `drop` gives it
    weight 0, as standardising would amplify noise."""
    replicates: int = Field(default=200, ge=0, le=10_000)
    """Replicates for the intervals: each weighs the effect of every row on the estimate by a random number. 0: no intervals."""
    replicate_rows: int = Field(default=1000, gt=3)
    """Most gradient rows of a contributor whose effects are computed; the spread is rescaled to all rows. With `ntk.method:
    sketched` the sketches of as many are stored."""
    coalitions: int = Field(default=1000, ge=0)
    """`ntk.method: sketched` with two or more contributors: most coalitions valued for Shapley values. With K up to 12
    contributors and all 2^K coalitions within this number, Shapley values are exact; else they are sampled until the largest
    standard error is a tenth of their spread. 0: no coalition values."""
    groups: list[str] = Field(default_factory=list, max_length=8)
    """Columns of the data, e.g. `[source, language]`, by whose values rows are valued in groups, of each contributor and of
    all: what a group is worth alone and adds to the other rows. Needs `ntk.method: sketched` and `method: ntk-regression`."""
    most_groups: int = Field(default=16, ge=1, le=256)
    """Groups of a column that are told apart, those with the most rows; the others count together. A task that values groups
    takes as many matrices of `ntk.sketch_features` squared, 8 bytes each."""
    corpus: bool = False
    """Rows of text: whether the report says how contributors' tokens differ from T's. It reads each shard once more, without a
    model, up to a million rows of a contributor."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """Confidence level (0.5 to 1) of intervals and ties."""
    delta: float = Field(default=0.05, gt=0, lt=1)
    """Probability (0 to 1) with which the bound of Theorem 1 may fail."""
    bound_constant: float = Field(default=1.0, gt=0)
    """C in the bound of Theorem 1. The paper does not give it, so only differences between bounds can be interpreted."""

    @property
    def rule(self) -> Rule:
        """`weights`, or the default of the method."""
        return self.weights or ("shipped" if self.method == "eq8" else "equal-z")

    def damping_for(self, task: Task) -> float:
        """`damping`, or the default of the task."""
        return self.damping or spec_of(task).damping

    @model_validator(mode="before")
    @classmethod
    def _earlier_name(cls, given: Any) -> Any:
        """`half_samples` is what `replicates` was called: configurations that have it stay valid."""
        if isinstance(given, dict) and "half_samples" in given and "replicates" not in given:
            return {("replicates" if key == "half_samples" else key): field for key, field in given.items()}
        return given

    @model_validator(mode="after")
    def _groups_once(self) -> "ValueConfig":
        if len(set(self.groups)) < len(self.groups) or not all(self.groups):
            raise ValueError(f"`groups`: expected names of columns, each once, found {self.groups}. Leave the others out")
        return self

    @model_validator(mode="after")
    def _several_replicates(self) -> "ValueConfig":
        if self.replicates == 1:
            raise ValueError("`replicates: 1` gives no spread. Write some hundreds, or 0 for no intervals")
        return self

    @model_validator(mode="after")
    def _weights_need_eq8(self) -> "ValueConfig":
        if self.method == "ntk-regression" and self.weights not in (None, "equal-z"):
            raise ValueError(
                f"`weights: {self.weights}` weigh Eq. 8's terms, which `method: ntk-regression` does not use. Write "
                "`method: eq8` too, or leave `weights` out"
            )
        return self

    @model_validator(mode="after")
    def _fitted_needs_artifact(self) -> "ValueConfig":
        if (self.weights == "fitted") != (self.fitted_weights is not None):
            raise ValueError("`weights: fitted` and `fitted_weights: URL` must be given together")
        return self
