"""From the parts of a contributor to the whole: pi x(S1) + (1 - pi) x(S2), pi = n_real / n (Eq. 8 of arXiv 2511.13640)."""

from collections.abc import Mapping

from mixval.contracts.parts import PARTS
from mixval.errors import NumericalError


def combine_parts(values: Mapping[str, float | None], n_real: int, n_synthetic: int) -> float:
    """The mixture of a term's two parts, in the term's unit; a part with no rows contributes nothing.

    `values` has the keys "real" and "synthetic", None where a part has no rows. Raises NumericalError when a part with
    rows has no value, or there are no rows.
    """
    return sum(share * value for share, value in _shares(values, n_real, n_synthetic))


def combine_variances(variances: Mapping[str, float | None], n_real: int, n_synthetic: int) -> float:
    """The variance of `combine_parts` when its parts are independent: pi^2 var(S1) + (1 - pi)^2 var(S2)."""
    return sum(share**2 * value for share, value in _shares(variances, n_real, n_synthetic))


def _shares(values: Mapping[str, float | None], n_real: int, n_synthetic: int) -> list[tuple[float, float]]:
    counts = dict(zip(PARTS, (n_real, n_synthetic), strict=True))
    if unknown := sorted(set(values) - set(PARTS)):
        raise NumericalError(f"parts: expected the keys {PARTS}, found {unknown}.")
    if min(counts.values()) < 0 or sum(counts.values()) == 0:
        raise NumericalError(f"parts: expected rows in at least one part, found {counts}. Leave empty contributors out.")
    pairs = []
    for part, count in counts.items():
        if count == 0:
            continue
        value = values.get(part)
        if value is None:
            raise NumericalError(f"part '{part}' has {count} rows but no value. Measure it, or leave its rows out.")
        pairs.append((count / sum(counts.values()), value))
    return pairs
