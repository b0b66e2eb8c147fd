"""The terms of one contributor from its sufficient statistics (Eq. 8, arXiv 2511.13640): neither rows nor model are read.

A replicate keeps half of the row groups, of T the same half for all contributors. Replicates of the NTK term come from the kept
rows (`kept_rows.py`) and are rescaled to all.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from functools import reduce
from operator import add
from typing import Any

import numpy as np

from mixval.config.fingerprint import fingerprint
from mixval.errors import NumericalError
from mixval.stages.jobs import MeasureJob
from mixval.stages.kept import LastMade
from mixval.stages.measured import Floats, Measured, mixed_replicates
from mixval.stages.shared_sketch import read_shared_sketch, shared_sketch_ref
from mixval.stages.statistics import PartStatistics, drawn_share, frequencies_of, near_target, statistics_ref
from mixval.stages.target import target_rows
from mixval.terms.discrepancy.embedded_halves import embedded_half_samples, halved
from mixval.terms.discrepancy.random_features import MeanEmbedding, embed, embedding_mmd
from mixval.terms.half_samples import GROUPS, deviations, half_groups, row_groups
from mixval.terms.ntk.kept_rows import KeptRows
from mixval.terms.ntk.quadratic import DampingMode, half_sample_ntk
from mixval.terms.ntk.sketched import SketchedForm, sketched_form
from mixval.terms.ntk.sketched_rows import WORTHWHILE_SHARE, sketched_form_of_rows
from mixval.terms.ntk.statistics import GradientStatistics
from mixval.terms.parts import combine_parts, combine_variances

FEWEST_DRAWN = 2
"""Rows of a part that an unbiased MMD needs."""

_EMBEDDINGS = LastMade[MeanEmbedding]()


def target_embedding(target: MeasureJob) -> MeanEmbedding:
    """T's embedding in the run's shared sketch, made once in a process."""
    switches = target.discrepancy.model_dump(include={"frequencies", "combine"})
    name = fingerprint("target-embedding", 1, settings=shared_sketch_ref(target).fingerprint, switches=switches)
    return _EMBEDDINGS.get(name, lambda: _embed(target))


def _embed(target: MeasureJob) -> MeanEmbedding:
    keys, compared = target_rows(target, read_shared_sketch(target).labels)
    return embed(frequencies_of(target, compared.shape[1]), compared, keys)


def loss_from_statistics(job: MeasureJob, by_part: PartStatistics) -> Measured:
    """The loss term by part, from sums."""
    kept, average = half_groups(job.value.half_samples, job.seed), job.loss.average
    parts = {part: one.losses.estimate(average) for part, one in by_part.items()}
    replicates = {part: one.losses.half_samples(kept, average) for part, one in by_part.items()}
    variances = {part: (one.standard_error or 0.0) ** 2 for part, one in parts.items()}
    measured = Measured(
        combine_parts({part: one.mean for part, one in parts.items()}, job.n_real, job.n_synthetic),
        _spread(mixed_replicates(replicates, job)),
        _n(by_part),
        float(np.sqrt(combine_variances(variances, job.n_real, job.n_synthetic))),
        {"average": average, "share": drawn_share(job)},
    )
    for part, one in parts.items():
        measured.parts[part] = (one.mean, one.standard_error, one.n, {"total": one.total, "tokens": one.total_count})
    return measured


def discrepancy_from_statistics(job: MeasureJob, target: MeasureJob, by_part: PartStatistics) -> Measured:
    """The discrepancy term by part, or of both together, from mean embeddings."""
    switches, of_target = job.discrepancy, target_embedding(target)
    kept = half_groups(job.value.half_samples, job.seed)
    embeddings = {part: one.embedding for part, one in by_part.items()}
    if switches.parts == "pooled":
        embeddings = {"all": reduce(add, embeddings.values())}
    found = {part: embedding_mmd(of_target, one, switches.estimator, switches.scale) for part, one in embeddings.items()}
    replicates = {
        part: embedded_half_samples(of_target, one, kept, switches.estimator, switches.scale)
        for part, one in embeddings.items()
    }
    pooled = found.get("all")
    value = pooled.value if pooled else combine_parts({p: one.value for p, one in found.items()}, job.n_real, job.n_synthetic)
    shifts = _spread(replicates["all"] if pooled else mixed_replicates(replicates, job))
    diagnostics: dict[str, Any] = {
        "method": "random-features",
        "estimator": switches.estimator,
        "scale": switches.scale,
        "bandwidths": list(of_target.settings.bandwidths),
        "frequencies": of_target.settings.n_frequencies,
        "target_rows": of_target.n,
    }
    measured = Measured(value, shifts, _n(by_part), None, diagnostics | (pooled.diagnostics() if pooled else {}))
    measured.diagnostics["near_target"] = near_target(job, statistics_ref(job, target))
    for part in by_part if pooled is None else ():
        spread = _spread(replicates[part])
        error = float(spread.std(ddof=1)) if len(spread) > 1 else None
        measured.parts[part] = (found[part].value, error, found[part].n, found[part].diagnostics())
    return measured


def ntk_from_statistics(job: MeasureJob, by_part: PartStatistics) -> Measured:
    """The NTK term over both parts without the sketch's bias; in `more` the term as sketched, and whether the bias is unknown.

    Where the effective rank is too near the sketch's size to estimate the bias, both are the term as sketched, and `is_full` is
    set in the diagnostics.
    """
    switches = job.ntk
    form = _sketched_form(by_part, switches.damping, switches.damping_mode)
    term = form.term if form.extrapolated is None else form.extrapolated
    diagnostics = asdict(form) | {
        "method": "sketched",
        "output": switches.output,
        "residual": switches.residual,
        "is_full": form.extrapolated is None,
    }
    shifts = _ntk_spread(job, by_part)
    spread = float(shifts.std(ddof=1)) if len(shifts) > 1 else 0.0
    error = math.hypot(spread, form.extrapolated_error or 0.0)  # of rows, and of the sketch
    measured = Measured(term, shifts, form.n, error, diagnostics)
    measured.more = {"ntk_as_sketched": np.array([form.term]), "is_full": np.array([form.extrapolated is None], dtype=float)}
    return measured


def _sketched_form(by_part: PartStatistics, damping: float, mode: DampingMode) -> SketchedForm:
    """From the kept rows where they are all rows and few, else from the sums: the same numbers up to rounding."""
    statistics, kept = whole_statistics(by_part), [one.kept for one in by_part.values()]
    if sum(len(one.keys) for one in kept) < statistics.n or statistics.n > WORTHWHILE_SHARE * statistics.q:
        return sketched_form(statistics, damping, mode)
    features, residual = (np.concatenate([getattr(one, name) for one in kept]) for name in ("features", "residual"))
    return sketched_form_of_rows(features, residual, damping, mode)


def require_rows(job: MeasureJob, by_part: PartStatistics) -> None:
    """Raises NumericalError when a part has rows, but fewer than an unbiased estimate needs were drawn."""
    for part, n in job.rows_by_part.items():
        drawn = by_part[part].n if part in by_part else 0
        if drawn < min(n, FEWEST_DRAWN):
            raise NumericalError(
                f"contributor {job.contributor.name!r}: expected at least {min(n, FEWEST_DRAWN)} drawn {part} rows, found "
                f"{drawn} of {n} with a share of {drawn_share(job):g}. Raise `sample.fraction`, or set no `sample`."
            )


def whole_statistics(by_part: PartStatistics) -> GradientStatistics:
    """Both parts' gradient statistics together."""
    return reduce(add, (one.gradients for one in by_part.values()))


def _ntk_spread(job: MeasureJob, by_part: PartStatistics) -> Floats:
    """(R,) deviations of the NTK term: halves of the kept rows, in the parts' own proportion, rescaled to all rows."""
    if job.value.half_samples == 0:
        return np.zeros(0)
    n, chosen = _n(by_part), kept_for_halves(by_part)
    keys = np.concatenate([one.keys for one in chosen])
    features = np.concatenate([one.features for one in chosen]).astype(np.float64)
    residuals = np.concatenate([one.residual for one in chosen])
    groups = row_groups(keys, job.seed)
    counts = np.bincount(groups, minlength=GROUPS).astype(np.float64)
    masks = halved(counts, half_groups(job.value.half_samples, job.seed))[:, groups]
    replicates = half_sample_ntk(features @ features.T, residuals, masks, job.ntk.damping, job.ntk.damping_mode)
    return np.asarray(_spread(replicates) * np.sqrt(len(keys) / n))


def kept_for_halves(by_part: PartStatistics) -> list[KeptRows]:
    """The kept rows of each part that half-samples are drawn from: as many as preserve the parts' proportion."""
    share = min(len(one.kept.keys) / one.n for one in by_part.values())
    return [one.kept.first(round(share * one.n)) for one in by_part.values()]


def _spread(replicates: Floats) -> Floats:
    """(R,) deviations of half-samples of the groups, rescaled from a half to the whole."""
    return np.zeros(0) if len(replicates) == 0 else deviations(replicates, 2, 1)


def _n(by_part: PartStatistics) -> int:
    return sum(one.n for one in by_part.values())
