"""How far a batch lies from what the same contributor delivered before, by features of its rows."""

from __future__ import annotations

import math
from functools import reduce
from operator import add

from mixval.config.sample import SampleConfig
from mixval.contracts.ingestion import Quantity
from mixval.errors import NumericalError
from mixval.stages.held_batches import Batch, stored_batch
from mixval.stages.holdings import Holdings
from mixval.stages.jobs import MeasureJob
from mixval.terms.discrepancy.random_features import embedding_mmd


def drift_of(holdings: Holdings, batch: Batch, target: MeasureJob, sample: SampleConfig) -> Quantity:
    """The squared distance of the batch's mean embedding from that of the contributor's last batches that are held, in
    standard errors that it would have by chance if nothing had changed. Unknown for a contributor of whom nothing is held."""
    names = [] if batch.contributor is None else [n for n in holdings.recent.get(batch.contributor, []) if n != batch.name]
    earlier = [one for name in names if (one := stored_batch(target, sample, name)) is not None]
    embeddings = [one.embedding for one in earlier if one.embedding is not None]
    if not embeddings or batch.embedding is None:
        return Quantity(value=None, why_unknown="nothing that this contributor delivered before is held")
    try:
        found = embedding_mmd(reduce(add, embeddings), batch.embedding)
    except NumericalError as error:  # of a single row
        return Quantity(value=None, why_unknown=str(error))
    chance = 0.0 if found.variance is None else math.sqrt(max(found.variance.second, 0.0))
    if not chance > 0:
        return Quantity(value=None, why_unknown="its rows, or those before it, are too few or too much alike to tell")
    return Quantity(value=found.squared / chance)
