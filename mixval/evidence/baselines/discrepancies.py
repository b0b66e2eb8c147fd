"""Values that are distances between a contributor's rows and T's: three maximum mean discrepancies (Gretton et al. 2012).

mmd                            frozen features, five bandwidths about T's median, unbiased, by part: Eq. 8's own
pixel-mmd                      pixels, one bandwidth of 5, biased, both parts together: DAVINZ' (Wu et al., ICML 2022)
data-distribution-valuation    frozen features, a sum over bandwidths 1, 2, 5, 10, biased: Xu et al., NeurIPS 2024, with T as
                               the reference, on features of mean square 1 a dimension, as a trained extractor has them
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mixval.evidence.baselines.inputs import Inputs
from mixval.terms.arrays import Floats
from mixval.terms.discrepancy.mmd import measure_part, target_statistics

DAVINZ_BANDWIDTH = 5.0
XU_BANDWIDTHS = (1.0, 2.0, 5.0, 10.0)


def pixel_mmd(inputs: Inputs, _: int) -> Floats:
    """(K,) minus MMDs on pixels."""
    pixels = inputs.pixels()
    return -pooled_mmd(pixels.contributors, pixels.target, [DAVINZ_BANDWIDTH])


def data_distribution_valuation(inputs: Inputs, _: int) -> Floats:
    """(K,) minus MMDs on features, in units of their root mean square over T."""
    passes = inputs.passes()
    scale = float(np.sqrt((passes.target.features**2).mean())) or 1.0
    parts = [one.features / scale for one in passes.contributors]
    return -pooled_mmd(parts, passes.target.features / scale, XU_BANDWIDTHS)


def pooled_mmd(parts: Sequence[Floats], target: Floats, bandwidths: Sequence[float]) -> Floats:
    """(K,) biased MMDs, not squared, with the kernels summed: whole contributors, real and synthetic rows together."""
    statistics = target_statistics(target, bandwidths, "sum")
    return np.array([measure_part(statistics, part, "biased", "root").value for part in parts])
