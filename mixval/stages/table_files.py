"""Files of a table that somebody else wrote, each measured by itself: gated as a contributor's shard, then one pass."""

from __future__ import annotations

from collections.abc import Callable

from mixval.config.valuation import ValuationConfig
from mixval.contracts.outcomes import GateOutcome
from mixval.contracts.plan import ContributorPlan, ShardRef
from mixval.errors import ContractError
from mixval.lake.table import TableFile
from mixval.stages import gating
from mixval.stages.held_batches import Batch, Make, measure_batch, stored_batch
from mixval.stages.jobs import contributor_job
from mixval.stages.preparing import PreparedRun
from mixval.storage.listing import list_shards
from mixval.storage.root import open_location


def measure_file(
    config: ValuationConfig, prepared: PreparedRun, table_url: str, file: TableFile, make: Make, tell: Callable[[str], None]
) -> Batch | None:
    """The rows of a table's file that the gate would admit, measured unless they were; None where there are none.

    Whose they are is not known. `tell` takes what somebody should know of them, once they are measured.

    Raises ContractError where the file cannot be read as the row contract says.
    """
    target = prepared.target_job
    if (known := stored_batch(target, config.sample, file.path)) is not None:
        return known
    config = _of_table(config)
    [shard] = list_shards(open_location(table_url, config.source.storage).child(*file.path.split("/")))
    plan = _plan(file, shard)
    gated = gating.gate_contributor(config, plan, prepared.target)
    outcome = gating.read_outcome(config, gated)
    _require_read(outcome, shard, file, table_url)
    if outcome.n_in_target:
        tell(
            f"{outcome.n_in_target:,} of the {shard.n_rows:,} rows of the table's file '{file.path}' are in the target "
            "set, which is held out: a model that is trained on the table has seen them. They count for nothing here. Remove "
            "them from one of the two."
        )
    if outcome.n_real + outcome.n_synthetic == 0:
        return None
    classes = prepared.classes, target.target_classes
    job = contributor_job(config, plan, outcome, prepared.identity, *classes)
    return measure_batch(config, job, target, gated, file.path, None, make)


def _of_table(config: ValuationConfig) -> ValuationConfig:
    """A table has a column for what a folder said."""
    if config.source.origin != "folder":
        return config
    return config.model_copy(update={"source": config.source.model_copy(update={"origin": "column"})})


def _plan(file: TableFile, shard: ShardRef) -> ContributorPlan:
    """A plan of one file. Nothing is projected: it is measured at once."""
    nothing = {"n_sampled": 0, "n_gradient_rows": 0, "n_passes": 1, "task_bytes": 0, "seconds": 0.0}
    return ContributorPlan(name=f"table file {file.path}", shards=[shard], n_rows=shard.n_rows, **nothing)


def _require_read(outcome: GateOutcome, shard: ShardRef, file: TableFile, table_url: str) -> None:
    if outcome.n_real + outcome.n_synthetic + outcome.n_dropped != shard.n_rows or shard.problem is not None:
        raise ContractError(
            f"{table_url}: file '{file.path}' was not written by this gate, and its rows cannot be valued: expected the row "
            f"contract's columns, found another thing: {outcome.reason or shard.problem}. Write such rows with these columns, "
            "or into another table."
        )
