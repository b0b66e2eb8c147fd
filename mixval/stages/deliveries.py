"""Deliveries valued together: each is a contributor of one sketched valuation that ends with its statistics.

Nothing here depends on the table: what a delivery adds to it is said one by one, given the version it would enter
(`ingesting.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from mixval.config.ingestion import IngestionConfig
from mixval.config.valuation import ValuationConfig
from mixval.contracts.arrow_types import plain_array
from mixval.contracts.ingestion import PinnedDelivery
from mixval.contracts.outcomes import GateOutcome
from mixval.contracts.record import ArtifactRef
from mixval.errors import MixvalError, ShardError, reason_of
from mixval.gate.words import quoted
from mixval.stages.account import Account
from mixval.stages.gating import gate_ref
from mixval.stages.held_batches import Batch, Make, measure_batch
from mixval.stages.jobs import MeasureJob
from mixval.stages.preparing import PreparedRun
from mixval.stages.rows import bad_rows
from mixval.stages.runs import Checked, admitted_jobs
from mixval.stages.statistics import statistics_ref
from mixval.stages.terms import statistics_steps
from mixval.stages.whole_run import Maker
from mixval.storage.formats import open_shard

_PRICE_BATCH_ROWS = 65_536
_OF_SOURCE = re.compile(r"\bsource\.(columns|origin|limits|storage)\b")
"""Keys that a gate's configuration has at its top."""


@dataclass(frozen=True)
class ValuedDelivery:
    """A pinned delivery, checked and measured by itself."""

    pinned: PinnedDelivery
    label: str
    """Its name in the valuation, and in what the row gate says."""
    outcome: GateOutcome
    job: MeasureJob | None
    """None where the row gate does not let it in."""
    batch: Batch | None = None
    """None where it is not in, or could not be measured."""
    price: float | None = None
    """Sum over its admitted rows; None without `policy.price_column`."""
    failed: str | None = None
    """Why it could not be checked or measured."""


@dataclass(frozen=True)
class Valued:
    """The deliveries of a run, and what they were valued under."""

    config: ValuationConfig
    prepared: PreparedRun
    deliveries: list[ValuedDelivery]
    checks: dict[str, ArtifactRef]
    """Label of a delivery -> what the row gate found in it."""


def value_deliveries(config: IngestionConfig, pinned: Sequence[PinnedDelivery], maker: Maker, account: Account) -> Valued:
    """Check and measure these deliveries, at least one; one that fails concerns itself alone.

    Raises where the target, the model or the configuration is wrong.
    """
    labels = _labels(pinned)
    valuation = config.valuing({label: one.url for label, one in labels.items()})
    with account.stage("plan", 1) as end_with:
        prepared = maker.prepare(valuation)
        end_with(f"{len(labels)} deliveries")
    contributors = prepared.plan.contributors
    with account.stage("gate", len(contributors)) as end_with:
        missing = account.count(
            "gate", [gate_ref(valuation, one, prepared.target) for one in prepared.plan.to_check], valuation
        )
        checked = maker.check(valuation, prepared, len(missing))
        end_with(f"{sum(one.is_in for one in checked.outcomes.values())} of {len(checked.outcomes)} admitted")
    jobs = admitted_jobs(valuation, prepared, checked.outcomes)
    failed = _measured(jobs, prepared, maker, account, valuation)
    found = [
        _delivery(config, valuation, prepared, one, label, checked, jobs.get(label), failed.get(label), maker.make)
        for label, one in labels.items()
    ]
    return Valued(valuation, prepared, found, {label: checked.refs[label] for label in labels if label in checked.refs})


def _labels(pinned: Sequence[PinnedDelivery]) -> dict[str, PinnedDelivery]:
    """The deliveries by their paths below the inbox; where one path had several contents, each is told by its key too."""
    names = [one.delivery.name for one in pinned]
    return {name if names.count(name) == 1 else f"{name} ({one.key})": one for name, one in zip(names, pinned, strict=True)}


def _measured(
    jobs: Mapping[str, MeasureJob], prepared: PreparedRun, maker: Maker, account: Account, config: ValuationConfig
) -> dict[str, str]:
    """Commit the statistics of these jobs; by name why one could not be measured."""
    target = prepared.target_job
    with account.stage("measure", len(jobs)) as end_with:
        refs = {name: statistics_ref(job, target) for name, job in jobs.items()}
        missing = account.count("statistics", list(refs.values()), config)
        todo = [job for name, job in jobs.items() if refs[name] in missing]
        failed = maker.measure(todo, target, statistics_steps)
        end_with(f"{len(todo) - len(failed)} computed, {len(jobs) - len(todo)} reused, {len(failed)} failed")
    return failed


def _delivery(
    config: IngestionConfig,
    valuation: ValuationConfig,
    prepared: PreparedRun,
    pinned: PinnedDelivery,
    label: str,
    checked: Checked,
    job: MeasureJob | None,
    failed: str | None,
    make: Make,
) -> ValuedDelivery:
    outcome = _told_of_delivery(checked.outcomes[label], pinned)
    if job is None or failed is not None:
        why = outcome.reason if outcome.verdict == "failed" else failed
        return ValuedDelivery(pinned, label, outcome, job, failed=why)
    try:
        contributor, gated = pinned.delivery.contributor, checked.refs[label]
        batch = measure_batch(valuation, job, prepared.target_job, gated, pinned.digest, contributor, make)
        return ValuedDelivery(pinned, label, outcome, job, batch, price_of(job, config.policy.price_column))
    except MixvalError as error:  # of this delivery's rows; the others go on
        return ValuedDelivery(pinned, label, outcome, job, failed=reason_of(error))


def _told_of_delivery(outcome: GateOutcome, pinned: PinnedDelivery) -> GateOutcome:
    """The outcome in words of the gate's own configuration, with the delivery in every message where it names the pinned copy,
    which nobody has put anywhere."""

    def said(text: str) -> str:
        named = text.replace(pinned.url, pinned.delivery.url).replace(pinned.url.rpartition("/")[2], pinned.delivery.name)
        named = named.replace(f"contributor {quoted(outcome.contributor)}", f"delivery {quoted(outcome.contributor)}")
        return _OF_SOURCE.sub(r"\1", named)

    findings = [one.model_copy(update={"message": said(one.message)}) for one in outcome.findings]
    reason = None if outcome.reason is None else said(outcome.reason)
    return outcome.model_copy(update={"findings": findings, "reason": reason})


def price_of(job: MeasureJob, column: str | None) -> float | None:
    """The sum of a column over the admitted rows; None for no column. Raises ShardError where it is no column of numbers, or a
    row has no price or one below 0."""
    if column is None:
        return None
    left_out, total = bad_rows(job), 0.0
    for index, shard in enumerate(job.contributor.shards):
        with open_shard(shard, job.source.storage) as file:
            if column not in file.schema.names:
                raise _no_price(shard.name, shard.url, column, f"no such column, but {', '.join(file.schema.names)}")
            at = 0
            for batch in file.batches([column], _PRICE_BATCH_ROWS):
                kept = [row for row in range(batch.num_rows) if (index, at + row) not in left_out]
                prices = _numbers(batch.column(column), shard.name, shard.url, column).take(pa.array(kept, pa.int64()))
                if prices.null_count or (len(prices) and not (pc.min(prices).as_py() >= 0)):
                    raise _no_price(shard.name, shard.url, column, "a row without a price, or with one below 0")
                total += float(pc.sum(prices).as_py() or 0.0)
                at += batch.num_rows
    return total


def _numbers(values: pa.Array, shard: str, url: str, column: str) -> pa.Array:
    try:
        return plain_array(values).cast(pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise _no_price(shard, url, column, f"{values.type}") from error


def _no_price(shard: str, url: str, column: str, found: str) -> ShardError:
    return ShardError(
        f"shard '{shard}' ({url}): column '{column}' is expected to be the price of each row (`policy.price_column`), a number "
        f"of 0 or more, found {found}. Correct the delivery, or the configuration.",
        shard=url,
        column=column,
        kind="wrong-type",
    )
