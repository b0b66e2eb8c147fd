"""How a configuration deviates from the published method (arXiv 2511.13640), or fills in what the paper does not state.

Published: Eq. 8 with weights from a linear regression onto the average of loss and MMD score, gradients of 1 % of the
training rows for language models. Not stated: lambda, f and r for causal models, features and bandwidths of the MMD.
DAVINZ is the method's public ancestor, whose code settles f and r for classification.
"""

from typing import NamedTuple

from mixval.config.sample import SampleConfig
from mixval.config.valuation import ValuationConfig
from mixval.contracts.terms import TERMS
from mixval.publish.names import listed
from mixval.publish.numerals import percent
from mixval.terms.ntk.damped import JITTER_STEPS
from mixval.terms.ntk.regression import LEAST_CENTRED
from mixval.terms.ntk.two_phase import LEAST_SHARE

WEIGHT_RULES = {
    "equal-z": "Weights: each term is standardised over the contributors and has equal weight.",
    "shipped": "Weights: each term is standardised; weights fitted to trainings on mixval's benchmark data.",
    "scale-matched": "Weights: each term is divided by its mean over the contributors, as DAVINZ's kappa does.",
    "fitted": "Weights: fitted to the results of training on calibration contributors.",
    "davinz": "Weights: DAVINZ's, -kappa NTK - MMD; the other terms have weight 0.",
}
FEATURES = {
    "backbone": "the backbone's pooled features",
    "pixels": "flattened pixels",
    "backbone-and-answer": "the backbone's pooled features joined with their mean over the answer",
}
PUBLISHED_WEIGHTS = "The paper's regression gives (1/2, 1/2, 0, 0)."


class RouteDeviations(NamedTuple):
    """Sentences that differ between routes (`mixval/stages/routes/`)."""

    rows: list[str]
    """Which rows of a contributor are read."""
    ntk: list[str]
    """What the NTK term is computed from."""


def paper_deviations(config: ValuationConfig, of_route: RouteDeviations) -> list[str]:
    """One sentence for every choice that is not the published method's own."""
    return [
        *_value(config),
        *_weights(config),
        *of_route.rows,
        *_target_rows(config),
        *_loss(config),
        *_discrepancy(config),
        *_ntk(config, of_route.ntk),
        *_backbone(config),
    ]


def _value(config: ValuationConfig) -> list[str]:
    if config.value.method == "eq8":
        return []
    has_labels = config.task_spec.has_labels
    measured_by = "the cross-entropy" if has_labels else "the mean log-probability of the answer tokens"
    scale = "the kernel's mean diagonal less its mean entry" if has_labels else "the kernel's mean diagonal"
    penalty = ", less a displacement penalty" if config.has_trained_gain else ""
    found = [
        f"Value: not Eq. 8, but {measured_by} that ridge regression with the empirical NTK predicts for the target{penalty}, "
        f"with lambda {config.value.damping_for(config.task):g} times {scale}. Eq. 8's terms are reported next to it, "
        "standardised over the contributors."
    ]
    if has_labels:
        found.append(
            "Value: one scale of the outputs is fitted to the target, each row by the others; outputs are divided by the "
            "length of the row's gradient, and a negative scale gives a value below that of no rows. Lambda's reference is at "
            f"least {LEAST_CENTRED:g} of the kernel's mean diagonal."
        )
    found.append(f"Value: where a matrix is not positive definite, up to {JITTER_STEPS[-1]:g} of its mean diagonal is added.")
    if config.values_rows_read:
        found.append(
            "Value: from all rows that were read; rows without gradients enter through a regression on the backbone's "
            f"features, whose cross-entropy counts for at least {percent(LEAST_SHARE)} of that of guessing. The gain over "
            "guessing grows with the rows at most in proportion."
        )
    return found


def _weights(config: ValuationConfig) -> list[str]:
    found = []
    if config.preset is not None:
        found.append(f"Preset {config.preset}: the settings of DAVINZ, which the paper builds on, not those of the paper.")
    if config.value.method == "ntk-regression":  # uses no weights
        return found
    if config.value.rule in WEIGHT_RULES:
        found.append(f"{WEIGHT_RULES[config.value.rule]} {PUBLISHED_WEIGHTS}")
    if config.value.rule in ("equal-z", "shipped") and config.value.uninformative == "drop":
        found.append("Weights: a term whose spread over contributors is within its standard error gets weight 0.")
    return found


def _target_rows(config: ValuationConfig) -> list[str]:
    limit = limit_words(config.discrepancy.target_sample)
    return [f"Discrepancy uses {limit} of the target set; the paper uses all of it."] if limit else []


def _loss(config: ValuationConfig) -> list[str]:
    if config.task_spec.is_causal and config.loss.average == "token":
        return ["Loss is averaged over tokens, so long rows have more weight; the paper averages over examples."]
    return []


def _discrepancy(config: ValuationConfig) -> list[str]:
    chosen = config.discrepancy
    found = []
    where = FEATURES[chosen.features] + (" joined with one-hot labels" if chosen.labels is not None else "")
    width = "the target's median distance times " if chosen.bandwidths == "median" else "fixed bandwidths "
    factors = chosen.multipliers if chosen.bandwidths == "median" else chosen.bandwidths
    listed = ", ".join(f"{factor:g}" for factor in factors if isinstance(factor, float))
    found.append(f"Discrepancy: the paper does not state features and bandwidths; here {where}, {width}{listed}.")
    if chosen.method == "random-features":
        found.append(
            f"Discrepancy: estimated with {chosen.frequencies:,} random Fourier features; the error is in terms.parquet."
        )
    if chosen.estimator == "biased":
        found.append("Discrepancy: the biased estimate (V-statistic) is used.")
    if chosen.scale == "squared":
        found.append("Discrepancy: squared MMD is used instead of its root.")
    if chosen.combine == "sum":
        found.append("Discrepancy: kernels are summed instead of averaged.")
    if chosen.parts == "pooled":
        found.append("Discrepancy is computed on real and synthetic rows together, as in DAVINZ, not on each part as in Eq. 8.")
    return found


def _ntk(config: ValuationConfig, of_route: list[str]) -> list[str]:
    chosen = config.ntk
    unit = "times the kernel's mean diagonal" if chosen.damping_mode == "relative" else "absolute"
    found = [f"NTK: the paper does not state lambda; here {chosen.damping:g}, {unit}."]
    if config.task_spec.is_causal:
        output = {
            "logit": "the mean true-token logit",
            "margin": "log(p / (1 - p))",
            "log-probability": "log p",
            "mix": "log p",
        }[chosen.output]
        residual = "1 - f" if chosen.residual == "one-minus-output" else "1 - p"
        found.append(f"NTK: the paper does not state f and r for causal models; here f is {output}, r = {residual}.")
    elif chosen.output == "mix":
        found.append(
            "NTK: f is a random combination of all logits, one kernel for all classes, and r is one-minus-probability; DAVINZ "
            "takes the logit of the row's label and r = 1 - f."
        )
    elif (chosen.output, chosen.residual) != ("logit", "one-minus-output"):
        found.append(
            f"NTK: f is the {chosen.output} and r is {chosen.residual}; DAVINZ takes the logit of the row's label and r = 1 - "
            "f."
        )
    if chosen.preconditioner == "target":
        found.append(
            "NTK: gradients are divided by the root of their second moments on the target, factored over rows and "
            f"columns of each weight and floored at {percent(chosen.preconditioner_floor)} of their mean; the paper takes them "
            "as they are."
        )
    found += of_route
    if chosen.n_blocks > 1:
        found.append(
            f"NTK: only {chosen.n_blocks} diagonal blocks of the kernel are used; the paper's formula uses the whole kernel."
        )
    found.append(f"NTK: the paper does not state which parameters are used; here {', '.join(chosen.parameters)}.")
    return found


def _backbone(config: ValuationConfig) -> list[str]:
    chosen = config.backbone
    found = []
    if config.task_spec.is_image and chosen.batch_norm == "neutral":
        found.append("Batch normalisation is neutral (weight 1, bias 0), as in DAVINZ's code; the paper does not state it.")
    if chosen.lora is not None:
        found.append(f"Adapters of rank {chosen.lora.rank} were added to the backbone before gradients were taken.")
    if config.task_spec.is_text and chosen.overlong == "truncate":
        found.append(f"Rows longer than {chosen.max_length} tokens are cut; the paper does not state it.")
    return found


def terms_from(rows: str) -> str:
    """Names of the terms that are computed from such rows (`TermSpec.rows`)."""
    return listed([term.word for term in TERMS.values() if term.rows == rows])


def limit_words(sample: SampleConfig) -> str | None:
    """How many rows of a contributor a sample takes, in words; None for all."""
    if sample.count is not None:
        return f"at most {sample.count:,} rows"
    return f"{100 * sample.fraction:g} % of the rows" if sample.fraction is not None and sample.fraction < 1 else None
