"""The designs that worlds of the distribution are drawn by: each plants one kind of difference between contributors.

A design holds fields of `WorldDesign` but for task, contributors, seed and size, which the data and the backbone set.
"""

from __future__ import annotations

from typing import Any

from benchmarks.evidence.worlds.design import Factor
from mixval.config.tasks import Task, spec_of

MOSTLY_REAL: dict[str, Any] = {"real_share": (0.5, 1.0)}
HALF_AFFECTED = 0.6
DESIGNS: dict[str, dict[str, Any]] = {
    "noise": {**MOSTLY_REAL, "noise": Factor(affected=HALF_AFFECTED, low=0.1, high=0.7)},
    "truncation": {"real_share": (0.3, 1.0)},
    "shift": {**MOSTLY_REAL, "shift": Factor(affected=HALF_AFFECTED, low=0.3, high=1.0)},
    "mixtures": {"sources": (1, 3)},
    "few-large": {"n_large": 3, "noise": Factor(affected=0.5, low=0.1, high=0.5)},
    "near-copies": {
        "duplicates": Factor(affected=0.4, low=0.2, high=0.6),
        "near_copies": Factor(affected=0.4, low=0.2, high=0.5),
        "noise": Factor(affected=0.4, low=0.1, high=0.5),
    },
    "families": {"families": 5, "sources": (1, 1), "noise": Factor(affected=0.5, low=0.1, high=0.6)},
    "compound": {
        "sources": (1, 3),
        "noise": Factor(affected=0.4, low=0.1, high=0.4),
        "duplicates": Factor(affected=0.3, low=0.2, high=0.5),
        "overlap": Factor(affected=0.2, low=0.1, high=0.4),
        "shift": Factor(affected=0.3, low=0.3, high=1.0),
    },
}
"""noise: wrong labels or answers. truncation: few classes, topics or, without them, generators. shift: worse images, careless
writing. mixtures: shares of real rows and of several generators. few-large: three large contributors beside many small ones.
near-copies: rows of others, slightly altered, and own rows repeated. families: five generators for all, each with its noise.
compound: all of these but the last three, as in the six known worlds."""
TRUNCATED = ("truncation", "families", "compound")


def design_fields(design: str, task: Task, n_real_groups: int, n_synthetic_groups: int) -> dict[str, Any]:
    """Fields of the design where real rows have so many groups (labels, or topics) and synthetic ones so many."""
    fields = dict(DESIGNS[design])
    if design not in TRUNCATED:
        return fields
    if spec_of(task).has_labels and n_synthetic_groups <= 2:  # a truncated contributor would have one label alone
        return {**fields, "sources": fields.get("sources", (1, 2))}
    if n_synthetic_groups > 2 and (spec_of(task).has_labels or "sources" not in fields):  # topics are of one source each
        fields["synthetic_groups"] = (max(1, n_synthetic_groups // 4), n_synthetic_groups)
    if design == "truncation" and n_real_groups > 2:
        fields["real_groups"] = (max(1, n_real_groups // 4), n_real_groups)
    return fields
