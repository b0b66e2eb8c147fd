"""T's side of every contributor's discrepancy, made once in a worker: bandwidths, labels, and the sums of the estimator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mixval.config.fingerprint import fingerprint
from mixval.config.terms import DiscrepancyConfig
from mixval.stages.forward import forward_ref
from mixval.stages.jobs import MeasureJob
from mixval.stages.kept import LastMade
from mixval.stages.measured import multipliers
from mixval.terms.discrepancy.bandwidth import has_repeated_rows, median_bandwidth
from mixval.terms.discrepancy.forms import FORMS, Against, Form, Rows
from mixval.terms.discrepancy.labelled import LabelBlock, label_block, with_labels

TESTED_ROWS = 2000
"""Rows of T, and of a part, in a permutation test at most: those of the smallest keys, which are drawn at
random. Two such sets make 16 million kernel values."""


@dataclass(frozen=True)
class TargetSide:
    """T as parts are compared with it."""

    bandwidths: tuple[float, ...]
    """Standard deviations, in feature units."""
    labels: LabelBlock | None
    """How labels join the features; None where they do not."""
    against: Against
    """Measures a part."""
    tested: np.ndarray
    """(at most TESTED_ROWS, D) the rows of T for permutation tests."""
    n: int
    """Rows of T."""
    has_repeated_rows: bool
    """Whether the bandwidths are those of T's rows that differ."""

    def compared(self, forward: Mapping[str, np.ndarray]) -> np.ndarray:
        """(N, D) what is compared of a pass's rows: features, joined with their labels where asked for."""
        return _compared(self.labels, forward)


_SIDES = LastMade[TargetSide]()
_REPEATS = LastMade[bool]()


def target_side(target: MeasureJob, switches: DiscrepancyConfig) -> TargetSide:
    """T under these switches. Bandwidths are set here, from T's features alone, for all contributors."""
    half = [target.value.replicates, target.seed]
    name = fingerprint("target", 2, target=forward_ref(target).fingerprint, switches=switches, half=half)
    return _SIDES.get(f"{target.output} {name}", lambda: _made(target, switches))


def _made(target: MeasureJob, switches: DiscrepancyConfig) -> TargetSide:
    stored = target.store.read_tensors(forward_ref(target))
    keys = stored["keys"].astype(np.uint64)
    labels = joined_labels(target, switches, stored["features"])
    rows = Rows(_compared(labels, stored), keys, multipliers(target, keys))
    widths = tuple(bandwidths(switches, stored["features"]))
    repeated = repeats_rows(target, switches)
    form = Form(widths, switches.combine, switches.estimator, switches.scale, switches.frequencies, target.seed)
    against = FORMS[switches.method](rows, form)
    return TargetSide(widths, labels, against, rows.features[:TESTED_ROWS].copy(), len(keys), repeated)


def repeats_rows(target: MeasureJob, switches: DiscrepancyConfig) -> bool:
    """Whether bandwidths are of T's rows that differ, because most pairs do not."""
    if switches.bandwidths != "median":
        return False
    ref, store = forward_ref(target), target.store
    name = f"{target.output} {ref.fingerprint}"
    return _REPEATS.get(name, lambda: has_repeated_rows(store.read_tensors(ref, ["features"])["features"]))


def target_rows(target: MeasureJob, labels: LabelBlock | None) -> tuple[np.ndarray, np.ndarray]:
    """(M,) keys and (M, D) what is compared of T's rows."""
    stored = target.store.read_tensors(forward_ref(target))
    return stored["keys"].astype(np.uint64), _compared(labels, stored)


def bandwidths(switches: DiscrepancyConfig, features: np.ndarray) -> list[float]:
    """Standard deviations in feature units: as given, or the median distance within T times the multipliers."""
    if isinstance(switches.bandwidths, list):
        return list(switches.bandwidths)
    median = median_bandwidth(features)
    return [median * multiplier for multiplier in switches.multipliers]


def joined_labels(target: MeasureJob, switches: DiscrepancyConfig, features: np.ndarray) -> LabelBlock | None:
    """How labels join the features of T (M, D) and of all contributors; None where they do not."""
    if switches.labels is None:
        return None
    # T's classes and not those of its sampled rows: a rare one may have no row there.
    return label_block(np.array(target.classes, dtype=np.int64), median_bandwidth(features), switches.labels)


def _compared(labels: LabelBlock | None, forward: Mapping[str, np.ndarray]) -> np.ndarray:
    return forward["features"] if labels is None else with_labels(labels, forward["features"], forward["labels"])
