"""What every contributor's discrepancy needs of T, made once in a worker and kept: features, kernel, kernel sums."""

import numpy as np

from mixval.config.fingerprint import fingerprint
from mixval.config.terms import DiscrepancyConfig
from mixval.stages.forward import forward_ref
from mixval.stages.jobs import MeasureJob
from mixval.terms.discrepancy.bandwidth import median_bandwidth
from mixval.terms.discrepancy.mmd import TargetStatistics, target_statistics

_KEPT: dict[str, TargetStatistics] = {}


def target_features(target: MeasureJob) -> tuple[np.ndarray, np.ndarray]:
    """(M,) keys and (M, D) features of T's sampled rows."""
    stored = target.store.read_tensors(forward_ref(target))
    return stored["keys"], stored["features"]


def target_kernel(target: MeasureJob, switches: DiscrepancyConfig, masks: np.ndarray, features: np.ndarray) -> TargetStatistics:
    """Kernel sums of T and of its halves. Bandwidths are fixed here, from T alone, for everybody."""
    name = fingerprint("kernel", 1, target=forward_ref(target).fingerprint, switches=switches, half=[len(masks), target.seed])
    if name not in _KEPT:
        _KEPT.clear()
        _KEPT[name] = target_statistics(features, bandwidths(switches, features), switches.combine, masks)
    return _KEPT[name]


def bandwidths(switches: DiscrepancyConfig, features: np.ndarray) -> list[float]:
    """Standard deviations in feature units: as given, or the median distance within T times the multipliers."""
    if isinstance(switches.bandwidths, list):
        return list(switches.bandwidths)
    median = median_bandwidth(features)
    return [median * multiplier for multiplier in switches.multipliers]
