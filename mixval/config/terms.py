"""The switches of Eq. 8's terms (arXiv 2511.13640)."""

from typing import Literal

from pydantic import Field, model_validator

from mixval.config.base import FrozenModel
from mixval.config.sample import SampleConfig
from mixval.config.tasks import PARAMETERS, ParameterKind


class LossConfig(FrozenModel):
    """L(S1) and L(S2): mean loss before any training on S."""

    average: Literal["example", "token"] = "example"
    """Causal LM: mean of each row's mean (`example`), or summed loss over summed tokens (`token`). Unused elsewhere."""


class DiscrepancyConfig(FrozenModel):
    """D(T, S): multi-kernel MMD with k(x, y) = mean over s of exp(-|x - y|^2 / (2 s^2))."""

    method: Literal["exact", "random-features"] = "exact"
    """`exact`: all pairs of rows. `random-features`: means of `frequencies` Fourier features, for many rows; their error is
    reported."""
    frequencies: int = Field(default=1024, ge=2)
    """`random-features` only: frequencies over all bandwidths, at least 2 each. The error falls as 1 / their root."""
    features: Literal["backbone", "pixels", "backbone-and-answer"] = "backbone"
    """`backbone`: mean-pooled last hidden state (images: the pooled layer before the head). `pixels`: flattened, 0 to 1.
    `backbone-and-answer`: the first joined with its mean over the answer's tokens alone (`instruction`)."""
    labels: float | None = Field(default=None, gt=0)
    """Classification: features are joined with one-hot labels, unlike ones this many median distances apart; 1 serves well.
    None: features alone."""
    bandwidths: Literal["median"] | list[float] = "median"
    """`median`: median distance within T times `multipliers`. A list: standard deviations s, in feature units."""
    multipliers: list[float] = [0.25, 0.5, 1.0, 2.0, 4.0]
    """Factors of the median distance. Dimensionless."""
    combine: Literal["mean", "sum"] = "mean"
    """How several kernels are joined."""
    estimator: Literal["unbiased", "biased"] = "unbiased"
    """U-statistic or V-statistic of the squared MMD."""
    scale: Literal["root", "squared"] = "root"
    """`root`: square root, after clamping at 0. `squared`: as estimated, clamped at 0."""
    parts: Literal["split", "pooled"] = "split"
    """`split`: pi D(T,S1) + (1-pi) D(T,S2). `pooled`: D(T,S), as in DAVINZ."""
    target_sample: SampleConfig = SampleConfig(count=2000)
    """Rows of T that are used."""
    permutations: int = Field(default=0, ge=0)
    """Permutations behind the p-value of each part against T, on at most 2,000 rows of each. 0: none. 999 is usual."""

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


class NtkConfig(FrozenModel):
    """sqrt(r' (Theta_0 + lambda I)^-1 r / n): the empirical tangent kernel of one scalar output an example.

    `value.method: ntk-regression` takes its regression from the same kernel, so that a row has one gradient: of `output: mix`,
    with `residual: one-minus-probability`. Both are filled in where they are not written; Eq. 8's NTK term is then of the mix,
    too.
    """

    output: Literal["logit", "margin", "log-probability", "mix"] = "logit"
    """f(x): the own label's logit (causal LM: mean over answer tokens of the true token's logit), log(p/(1-p)), or log p.
    `mix`: a random mix of all logits, drawn by `seed`, hence one kernel for all classes (causal LM: log p)."""
    residual: Literal["one-minus-output", "one-minus-probability"] = "one-minus-output"
    """r = 1 - f (DAVINZ), or r = 1 - p; the latter with `mix`, which knows nothing of the own label."""
    parameters: list[ParameterKind] = list(PARAMETERS)
    """Kinds of parameters that count. `linear` and `conv` are weights only; `bias` adds their biases."""
    damping: float = Field(default=1e-2, gt=0)
    """lambda. Relative: times the mean diagonal of Theta, dimensionless. Absolute: in units of Theta."""
    damping_mode: Literal["relative", "absolute"] = "relative"
    """Whether `damping` is multiplied by the mean diagonal."""
    method: Literal["exact", "sketched"] = "exact"
    """`exact`: Gram matrix and Cholesky factor. `sketched`: gradient sketches and mergeable sums, of any number of rows."""
    n_blocks: int = Field(default=1, ge=1)
    """`exact` only. 1: whole. Above: permuted block-diagonal with this many blocks (DAVINZ: 100 for a ResNet)."""
    sketch_features: int = Field(default=2048, ge=2, multiple_of=2)
    """q of `sketched`: features a gradient is sketched to. The error of the term falls about as 1 / q; it is reported."""
    sketch_products: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision in which a float32 backbone's linear layers form the gradients that `sketched` folds; sums are float32.
    `auto`: bfloat16 where the worker that plans multiplies faster in it; all workers then do so."""
    sketch_error: float | None = Field(default=None, gt=0, lt=1)
    """Relative error of the NTK term on T's rows that `sketched` must reach: q is doubled until it does, at most twice."""
    sample: SampleConfig = SampleConfig(count=500)
    """Rows whose gradients are taken: a nested part of the rows read. `sketched` takes those of all rows read."""

    @model_validator(mode="after")
    def _a_mix_is_of_no_label(self) -> "NtkConfig":
        if self.output == "mix" and self.residual != "one-minus-probability":
            raise ValueError(f"`ntk.output: mix` goes with `ntk.residual: one-minus-probability`; found `{self.residual}`")
        return self

    @model_validator(mode="after")
    def _blocks_are_exact(self) -> "NtkConfig":
        if self.n_blocks > 1 and self.method != "exact":
            raise ValueError(f"`ntk.n_blocks: {self.n_blocks}` goes with `ntk.method: exact`; found `{self.method}`")
        return self
