"""Settings of the terms of Eq. 8 (arXiv 2511.13640)."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, model_validator

from mixval.config.base import FrozenModel
from mixval.config.sample import SampleConfig
from mixval.config.tasks import PARAMETERS, ParameterKind


class LossConfig(FrozenModel):
    """L(S1) and L(S2): mean loss of the backbone on the contributor's real and synthetic rows, before any training."""

    average: Literal["example", "token"] = "example"
    """Causal LMs only. `example`: mean over rows of each row's mean loss per token. `token`: mean over all tokens."""


class DiscrepancyConfig(FrozenModel):
    """D(T, S): distance of the contributor's rows from the target set, as maximum mean discrepancy (MMD) with several Gaussian
    kernels: k(x, y) = mean over s of exp(-|x - y|^2 / (2 s^2)).
    """

    method: Literal["exact", "random-features"] = "exact"
    """`exact`: from all pairs of rows. `random-features`: from means of random Fourier features, for many rows; the error is
    reported."""
    frequencies: int = Field(default=1024, ge=2)
    """`random-features` only: number of frequencies over all bandwidths, at least 2 each. The error falls as 1 /
    sqrt(number)."""
    features: Literal["backbone", "pixels", "backbone-and-answer"] = "backbone"
    """What is compared. `backbone`: mean-pooled last hidden state (images: the pooled layer before the head). `pixels`:
    flattened, 0 to 1. `backbone-and-answer` (`instruction` only): the first, joined with its mean over the answer's tokens."""
    labels: float | None = Field(default=None, gt=0)
    """Classification only: distance between two rows that differ in their label alone, as a multiple of the median distance; 1
    works well. None: labels are not compared."""
    bandwidths: Literal["median"] | list[float] = "median"
    """Kernel widths s. `median`: the median distance within T, times each of `multipliers`. A list: s itself, in units of the
    features."""
    multipliers: list[float] = [0.25, 0.5, 1.0, 2.0, 4.0]
    """Factors of the median distance, one per kernel. Dimensionless."""
    combine: Literal["mean", "sum"] = "mean"
    """Whether several kernels are averaged or added."""
    estimator: Literal["unbiased", "biased"] = "unbiased"
    """Estimator of the squared MMD. `unbiased`: U-statistic. `biased`: V-statistic."""
    scale: Literal["root", "squared"] = "root"
    """`root`: square root of the squared MMD. `squared`: the squared MMD. Negative estimates count as 0."""
    parts: Literal["split", "pooled"] = "split"
    """`split`: pi D(T,S1) + (1-pi) D(T,S2), real and synthetic rows apart. `pooled`: D(T,S) of all rows, as in DAVINZ."""
    target_sample: SampleConfig = SampleConfig(count=2000)
    """Rows of T that are compared."""
    permutations: int = Field(default=0, ge=0)
    """Permutations for the p-value of each part against T, on at most 2,000 rows of each. 0: no p-value. 999 is usual."""

    @model_validator(mode="after")
    def _fits_method(self) -> "DiscrepancyConfig":
        given = self.multipliers if self.bandwidths == "median" else self.bandwidths
        if not given or any(float(v) <= 0 for v in given):
            raise ValueError("bandwidths and multipliers must be positive, and at least one is needed")
        if self.method == "random-features" and self.frequencies < 2 * len(given):
            raise ValueError(
                f"`discrepancy.frequencies` must be at least 2 for each of {len(given)} bandwidths, found {self.frequencies}. "
                f"Ask for {2 * len(given)} or more; hundreds are useful"
            )
        return self


STORES_ROWS: Mapping[str, bool] = {"exact": True, "sketched": False}
"""`ntk.method` -> whether it stores rows, or sums over rows alone. `mixval/stages/routes/` measures by it."""


class NtkConfig(FrozenModel):
    """sqrt(r' (Theta_0 + lambda I)^-1 r / n), with the empirical neural tangent kernel (NTK) Theta_0 of one scalar output per
    row.

    `value.method: ntk-regression` uses the same kernel, and needs `output: mix` with `residual: one-minus-probability`. Both
    are the defaults then, and Eq. 8's NTK term is computed with them as well.
    """

    output: Literal["logit", "margin", "log-probability", "mix"] = "logit"
    """The scalar output f(x) whose gradient is taken. `logit`: that of the row's label (causal LM: mean over answer tokens of
    the true token's logit). `margin`: log(p/(1-p)). `log-probability`: log p. `mix`: a random combination of all logits, drawn
    by `seed`, which gives one kernel for all classes (causal LM: log p)."""
    residual: Literal["one-minus-output", "one-minus-probability"] = "one-minus-output"
    """`one-minus-output`: r = 1 - f (DAVINZ). `one-minus-probability`: r = 1 - p, needed with `mix`, which has no label's
    logit."""
    parameters: list[ParameterKind] = list(PARAMETERS)
    """Kinds of parameters whose gradients form the kernel. `linear` and `conv` are weights only; `bias` adds their biases."""
    preconditioner: Literal["none", "target"] = "none"
    """Geometry of the kernel. `none`: gradients as they are. `target`: divided by the root of their second moments on T,
    factored over rows and columns of each weight; the default of causal LMs from a checkpoint with `value.method:
    ntk-regression`."""
    preconditioner_floor: float = Field(default=0.1, gt=0)
    """`preconditioner: target` only: what is added to the second moments, as a share of their mean."""
    damping: float = Field(default=1e-2, gt=0)
    """lambda, added to the diagonal of Theta: a multiple of its mean, or in units of Theta; see `damping_mode`."""
    damping_mode: Literal["relative", "absolute"] = "relative"
    """`relative`: `damping` times the mean diagonal of Theta. `absolute`: `damping` itself."""
    method: Literal["exact", "sketched"] = "sketched"
    """`sketched`: random projections (sketches) of the gradients, added up over any number of rows; gives coalition values.
    `exact`: kernel matrix of the rows of `sample` and its Cholesky factor."""
    n_blocks: int = Field(default=1, ge=1)
    """`exact` only. 1: the whole kernel matrix. Above: only this many diagonal blocks of it, rows permuted (DAVINZ: 100 for a
    ResNet)."""
    sketch_features: int = Field(default=2048, ge=2, multiple_of=2)
    """`sketched` only: q, the dimension to which a gradient is projected. The error of the term falls about as 1 / q; it is
    reported."""
    sketch_products: Literal["auto", "float32", "bfloat16"] = "auto"
    """`sketched` only: precision of the products that form a float32 backbone's gradients in linear layers; sums are float32.
    `auto`: bfloat16 where it is faster on the machine that plans; all workers then use it."""
    sketch_error: float | None = Field(default=None, gt=0, lt=1)
    """`sketched` only: relative error of the NTK term on T's rows that must be reached. q is doubled until it is, at most
    twice. None: q stays."""
    sample: SampleConfig = SampleConfig(count=500)
    """`exact` only: rows whose gradients are taken, a part of the rows read. `sketched` takes the gradients of all rows
    read."""

    @property
    def stores_rows(self) -> bool:
        """Whether `method` stores rows, or sums over rows alone."""
        return STORES_ROWS[self.method]

    @model_validator(mode="after")
    def _mix_needs_probability_residual(self) -> "NtkConfig":
        if self.output == "mix" and self.residual != "one-minus-probability":
            raise ValueError(f"`ntk.output: mix` needs `ntk.residual: one-minus-probability`, found `{self.residual}`")
        return self

    @model_validator(mode="after")
    def _blocks_need_exact(self) -> "NtkConfig":
        if self.n_blocks > 1 and self.method != "exact":
            raise ValueError(f"`ntk.n_blocks: {self.n_blocks}` needs `ntk.method: exact`, found `{self.method}`")
        return self
