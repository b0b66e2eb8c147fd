"""The switches of Eq. 8's terms (arXiv 2511.13640)."""

from typing import Literal

from pydantic import Field, model_validator

from mixval.config.base import FrozenModel
from mixval.config.sample import SampleConfig


class LossConfig(FrozenModel):
    """L(S1) and L(S2): mean loss before any training on S."""

    average: Literal["example", "token"] = "example"
    """Causal LM: mean of each row's mean (`example`), or summed loss over summed tokens (`token`). Unused elsewhere."""


class DiscrepancyConfig(FrozenModel):
    """D(T, S): multi-kernel MMD with k(x, y) = mean over s of exp(-|x - y|^2 / (2 s^2))."""

    features: Literal["backbone", "pixels"] = "backbone"
    """`backbone`: mean-pooled last hidden state (images: the pooled layer before the head). `pixels`: flattened, 0 to 1."""
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

    @model_validator(mode="after")
    def _positive(self) -> "DiscrepancyConfig":
        given = self.multipliers if self.bandwidths == "median" else self.bandwidths
        if not given or any(float(v) <= 0 for v in given):
            raise ValueError("bandwidths and multipliers must be positive, and at least one is needed")
        return self


class NtkConfig(FrozenModel):
    """sqrt(r' (Theta_0 + lambda I)^-1 r / n): the empirical tangent kernel of one scalar output an example."""

    output: Literal["logit", "margin", "log-probability"] = "logit"
    """f(x): the own label's logit (causal LM: mean over answer tokens of the true token's logit), log(p/(1-p)), or log p."""
    residual: Literal["one-minus-output", "one-minus-probability"] = "one-minus-output"
    """r = 1 - f (DAVINZ), or r = 1 - p."""
    parameters: list[Literal["linear", "conv", "embedding", "norm", "bias", "lora"]] = ["linear", "conv"]
    """Kinds of parameters that count. `linear` and `conv` are weights only; `bias` adds their biases."""
    damping: float = Field(default=1e-2, gt=0)
    """lambda. Relative: times the mean diagonal of Theta, dimensionless. Absolute: in units of Theta."""
    damping_mode: Literal["relative", "absolute"] = "relative"
    """Whether `damping` is multiplied by the mean diagonal."""
    n_blocks: int = Field(default=1, ge=1)
    """1: exact. Above: permuted block-diagonal with this many blocks (DAVINZ: 100 for a ResNet)."""
    sample: SampleConfig = SampleConfig(count=500)
    """Rows whose gradients are taken: a nested part of the rows read."""
    slice_rows: int = Field(default=1024, gt=1)
    """Rows of one gradient slice. A contributor with more is cut into slices whose Gram blocks fan out over the cluster."""
