"""The terms of one contributor from its sufficient statistics (Eq. 8, arXiv 2511.13640): neither rows nor model are read.

Replicates have a multiplier for each group of rows, T's the same for all contributors. Those of the NTK term come from the kept
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
from mixval.stages.measured import Floats, Measured, Part, mixed_replicates, spread_of
from mixval.stages.shared_sketch import read_shared_sketch, shared_sketch_ref
from mixval.stages.statistics import PartStatistics, drawn_share, frequencies_of
from mixval.stages.target import repeats_rows, target_rows
from mixval.terms.discrepancy.mmd import mmd_deviations
from mixval.terms.discrepancy.random_features import MeanEmbedding, embed, embedding_mmd
from mixval.terms.ntk.kept_rows import KeptRows
from mixval.terms.ntk.quadratic import DampingMode, ntk_moves
from mixval.terms.ntk.sketched import SketchedForm, sketched_form
from mixval.terms.ntk.sketched_rows import WORTHWHILE_SHARE, sketched_form_of_rows
from mixval.terms.ntk.statistics import GradientStatistics
from mixval.terms.parts import combine_parts, combine_variances
from mixval.terms.replicates import GROUPS, Effects, deviations, group_multipliers, row_groups

FEWEST_DRAWN = 2
"""Rows of a part that an unbiased MMD needs."""

_EMBEDDINGS = LastMade[MeanEmbedding]()


def target_embedding(target: MeasureJob) -> MeanEmbedding:
    """T's embedding in the run's shared sketch, made once in a process."""
    switches = target.discrepancy.model_dump(include={"frequencies", "combine"})
    name = fingerprint("target-embedding", 1, settings=shared_sketch_ref(target).fingerprint, switches=switches)
    return _EMBEDDINGS.get(f"{target.output} {name}", lambda: _embed(target))


def _embed(target: MeasureJob) -> MeanEmbedding:
    keys, compared = target_rows(target, read_shared_sketch(target).labels)
    return embed(frequencies_of(target, compared.shape[1]), compared, keys)


def loss_from_statistics(job: MeasureJob, by_part: PartStatistics) -> Measured:
    """The loss term by part, from sums."""
    drawn, average = group_multipliers(job.value.replicates, job.seed), job.loss.average
    parts = {part: one.losses.estimate(average) for part, one in by_part.items()}
    shifts = {
        part: deviations(
            [Effects(one.losses.moves(average), drawn, min(one.n, GROUPS) - 1.0)],
            math.nan if parts[part].standard_error is None else parts[part].standard_error,
        )
        for part, one in by_part.items()
    }
    variances = {part: (one.standard_error or 0.0) ** 2 for part, one in parts.items()}
    measured = Measured(
        combine_parts({part: one.mean for part, one in parts.items()}, job.n_real, job.n_synthetic),
        mixed_replicates(shifts, job),
        _n(by_part),
        float(np.sqrt(combine_variances(variances, job.n_real, job.n_synthetic))),
        {"average": average, "share": drawn_share(job)},
    )
    for part, one in parts.items():
        numbers = {"total": one.total, "tokens": one.total_count}
        measured.parts[part] = Part(one.mean, one.standard_error, one.n, numbers, shifts[part])
    return measured


def discrepancy_from_statistics(job: MeasureJob, target: MeasureJob, by_part: PartStatistics) -> Measured:
    """The discrepancy term by part, or of both together, from mean embeddings."""
    switches, of_target = job.discrepancy, target_embedding(target)
    drawn = group_multipliers(job.value.replicates, job.seed)
    embeddings = {part: one.embedding for part, one in by_part.items()}
    if switches.parts == "pooled":
        embeddings = {"all": reduce(add, embeddings.values())}
    found = {part: embedding_mmd(of_target, one, switches.estimator, switches.scale) for part, one in embeddings.items()}
    by_rows = {part: mmd_deviations(one, switches.scale, drawn, drawn) for part, one in found.items()}
    pooled = found.get("all")
    value = pooled.value if pooled else combine_parts({p: one.value for p, one in found.items()}, job.n_real, job.n_synthetic)
    shifts = by_rows["all"] if pooled else mixed_replicates(by_rows, job)
    diagnostics: dict[str, Any] = {
        "method": "random-features",
        "estimator": switches.estimator,
        "scale": switches.scale,
        "bandwidths": list(of_target.settings.bandwidths),
        "frequencies": of_target.settings.n_frequencies,
        "target_rows": of_target.n,
        "target_repeated": repeats_rows(target, switches),
    }
    measured = Measured(value, shifts, _n(by_part), None, diagnostics | (pooled.diagnostics() if pooled else {}))
    for part in by_part if pooled is None else ():
        one, shifted = found[part], by_rows[part]
        measured.parts[part] = Part(one.value, spread_of(shifted), one.n, one.diagnostics(), shifted)
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
    shifts = _ntk_spread(job, by_part, form.damping)
    spread = spread_of(shifts) or 0.0
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


def _ntk_spread(job: MeasureJob, by_part: PartStatistics, damping: float) -> Floats:
    """(R,) deviations of the NTK term by groups of the kept rows, in the parts' own proportion, rescaled to all rows."""
    n, chosen = _n(by_part), kept_in_proportion(by_part)
    if job.value.replicates == 0 or not sum(len(one.keys) for one in chosen):
        return np.full(job.value.replicates, math.nan)
    keys = np.concatenate([one.keys for one in chosen])
    features = np.concatenate([one.features for one in chosen]).astype(np.float64)
    moves = ntk_moves(features @ features.T, np.concatenate([one.residual for one in chosen]), damping, "absolute")
    groups = row_groups(keys, job.seed)
    by_group = np.zeros(GROUPS)
    np.add.at(by_group, groups, moves - moves.mean())
    drawn = group_multipliers(job.value.replicates, job.seed)
    effects = Effects(by_group, drawn, min(len(keys), GROUPS) - 1.0)
    return deviations([effects.scaled(math.sqrt(len(keys) / n))])


def kept_in_proportion(by_part: PartStatistics) -> list[KeptRows]:
    """The kept rows of each part whose effects are taken: as many as preserve the parts' proportion."""
    share = min(len(one.kept.keys) / one.n for one in by_part.values())
    return [one.kept.first(round(share * one.n)) for one in by_part.values()]


def _n(by_part: PartStatistics) -> int:
    return sum(one.n for one in by_part.values())
