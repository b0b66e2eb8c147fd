"""How each term of `TERMS` is measured, by its name and the route's.

A measurement takes a contributor's job, the target's, and what the route has stored of the contributor (`Route.stored`): of
`exact` the tensors of forward pass and Gram matrix, of `sketched` the sufficient statistics. It needs no model and no rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from mixval.contracts.terms import TERMS, TermSpec
from mixval.errors import ConfigError
from mixval.stages.discrepancy import measured_discrepancy
from mixval.stages.jobs import MeasureJob
from mixval.stages.loss import measured_loss
from mixval.stages.measured import Masks, Measured
from mixval.stages.ntk_term import measured_ntk
from mixval.stages.statistics_terms import discrepancy_from_statistics, loss_from_statistics, ntk_from_statistics
from mixval.terms.composition.term import composition_term

Measurement = Callable[[MeasureJob, MeasureJob, Any], Measured]


def _of_counts(job: MeasureJob, term: Callable[[int, int], float]) -> Measured:
    """A term of the numbers of admitted real and synthetic rows alone: it is exact."""
    n_real, n_synthetic = job.n_real, job.n_synthetic
    return Measured(term(n_real, n_synthetic), np.zeros(job.value.replicates), n_real + n_synthetic, 0.0, {})


MEASUREMENTS: dict[str, dict[str, Measurement]] = {
    "loss": {
        "exact": lambda job, _, stored: measured_loss(job, stored[0]),
        "sketched": lambda job, _, by_part: loss_from_statistics(job, by_part),
    },
    "discrepancy": {
        "exact": lambda job, target, stored: measured_discrepancy(job, target, stored[0]),
        "sketched": discrepancy_from_statistics,
    },
    "ntk": {
        "exact": lambda job, _, stored: measured_ntk(job, stored[1]),
        "sketched": lambda job, _, by_part: ntk_from_statistics(job, by_part),
    },
    "composition": {
        "exact": lambda job, *_: _of_counts(job, composition_term),
        "sketched": lambda job, *_: _of_counts(job, composition_term),
    },
}
"""Term -> route -> what measures it there."""

COALITION_MEASUREMENTS: dict[str, Callable[[Sequence[MeasureJob], MeasureJob], Callable[[Masks], float]]] = {}
"""Term -> from K contributors' jobs and the target's, what gives the term of the contributors that a mask (K,) marks.

For values of coalitions by Eq. 8. Built-in terms have theirs in `mixval/valuation/eq8_coalitions.py`, where they share sums.
"""


def register_term(
    spec: TermSpec,
    measured: Mapping[str, Measurement],
    of_coalitions: Callable[[Sequence[MeasureJob], MeasureJob], Callable[[Masks], float]] | None = None,
) -> ExitStack:
    """Add a term of one's own in this process; closing what is returned, or the end of its `with` block, removes it.

    `measured` has a measurement for each route (`exact`, `sketched`) that can make it. Stored runs have a column for each term
    that there was, so read them while the same terms are there. Raises ConfigError for a name that a term has.
    """
    TERMS.add(spec)
    registered = ExitStack()
    registered.callback(TERMS.remove, spec.name)
    MEASUREMENTS[spec.name] = dict(measured)
    registered.callback(MEASUREMENTS.pop, spec.name, None)
    if of_coalitions is not None:
        COALITION_MEASUREMENTS[spec.name] = of_coalitions
        registered.callback(COALITION_MEASUREMENTS.pop, spec.name, None)
    return registered


def measured_terms(route: str, job: MeasureJob, target: MeasureJob, stored: Any) -> dict[str, Measured]:
    """Every term of one contributor, in the order of `TERMS`. Raises as `require_measurements` does."""
    require_measurements(route)
    return {term: MEASUREMENTS[term][route](job, target, stored) for term in TERMS}


def require_measurements(route: str) -> None:
    """Raises ConfigError for a term that the route cannot measure."""
    for term in TERMS:
        if route not in (known := MEASUREMENTS.get(term, {})):
            instead = f"Set `ntk.method` to {' or '.join(known)}, or add" if known else "Add"
            raise ConfigError(
                f"term {term!r}: expected a way to measure it with `ntk.method: {route}`, found none. {instead} one to "
                "`mixval/stages/measurements.py`."
            )
