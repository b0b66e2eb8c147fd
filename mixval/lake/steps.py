"""The steps of the protocol by name, as they are passed: one line each of the log `mixval.lake.steps`, at DEBUG.

Whoever looks for where a gate stopped reads them there. Between any two of them a gate may be killed and started again:
no row is lost or doubled, and no decision is taken twice (docs/gate-guarantees.md).
"""

from __future__ import annotations

import logging
from typing import Literal

Step = Literal[
    "copied",  # the bytes lie in staging
    "pinned",  # and the name of the delivery has this digest
    "claimed",
    "decided",  # the decision stands
    "created",  # the table is there
    "widened",  # the table has all columns of the delivery
    "committing",  # rows are about to be written
    "committed",  # rows are in the table
    "released",
    "reconciled",
]
LOG = logging.getLogger("mixval.lake.steps")


def reached(step: Step, what: str) -> None:
    """Say that a step is done for a delivery, an attempt or a table."""
    LOG.debug("%s: %s", step, what)
