"""A plan of a million shards: its time and memory, what its tasks carry, and how many tasks there are.

    python -m benchmarks.plan_size [--contributors 1000] [--shards 1000]

Simulated is the listing: a `ShardRef` of 10 MB and 1,000 rows for each shard, as a store's would be; no footer is read, which
takes a million requests of anybody. Real is what follows: run fingerprint, plan, references, task batches, pickles. Prints
JSON lines: `plan` (CPU seconds, peak bytes above those of the imports), `tasks/exact` and `tasks/sketched` (tasks of the run,
bytes and CPU of what a task carries).
"""

from __future__ import annotations

import argparse
import json
import pickle
import time
from collections.abc import Callable
from typing import TypeVar

from benchmarks.plain_stages import EXAMPLE
from mixval.config.load import load_config
from mixval.config.sample import SampleConfig
from mixval.config.valuation import ValuationConfig
from mixval.contracts.outcomes import GateOutcome
from mixval.contracts.plan import ContributorPlan, ShardRef
from mixval.stages import forward, gradients, statistics, terms
from mixval.stages.footprint import Footprint
from mixval.stages.jobs import MeasureJob, contributor_job, target_job
from mixval.stages.planning import make_plan
from mixval.stages.preparing import run_fingerprint
from mixval.telemetry.peak import peak_bytes

FOOTPRINT = Footprint(
    n_parameters=11_164_352,
    model_bytes=44_700_000,
    n_dimensions=512,
    weight_bytes={f"weight-{i}": 290_000 for i in range(21)},
    activation_bytes=20_000_000,
    forward_seconds_per_row=0.01,
    gradient_seconds_per_row=0.03,
)
"""About ResNet-18's; no model is loaded."""
SHARD_ROWS = 1_000
CLASSES = list(range(10))
WORKERS, WORKER_BYTES = 2, 12 * 2**30
T = TypeVar("T")


def listing(contributors: int, shards: int) -> dict[str, list[ShardRef]]:
    """What listing such a catalogue gives."""
    root = "s3://lake/catalogue"
    found = {}
    for c in range(contributors):
        name = f"contributor-{c:04d}"
        found[name] = [
            ShardRef(
                url=f"{root}/contributor={name}/part-{s:05d}.parquet",
                name=f"part-{s:05d}.parquet",
                size_bytes=10_000_000,
                digest=f"{c * shards + s:032x}-10000000",
                n_rows=SHARD_ROWS,
                n_row_groups=1,
            )
            for s in range(shards)
        ]
    return found


def configured(method: str) -> ValuationConfig:
    """The images example, by either way of measuring: sketches take all rows, the exact form its samples."""
    config = load_config(EXAMPLE)
    if method == "sketched":
        return config.model_copy(update={"sample": SampleConfig()})
    return config.model_copy(
        update={
            "ntk": config.ntk.model_copy(update={"method": "exact", "sample": SampleConfig(count=80)}),
            "discrepancy": config.discrepancy.model_copy(update={"method": "exact"}),
        }
    )


def timed(call: Callable[[], T]) -> tuple[T, float]:
    """The result, and the CPU seconds of this process that it took."""
    began = time.process_time()
    return call(), time.process_time() - began


def job_of(config: ValuationConfig, plan: ContributorPlan) -> MeasureJob:
    """The job of a contributor of whom every row was admitted."""
    n = plan.n_rows
    outcome = GateOutcome(contributor=plan.name, verdict="admitted", n_rows=n, n_real=n, n_synthetic=0, n_dropped=0)
    return contributor_job(config, plan, outcome, {"model": "resnet18"}, CLASSES)


def carried(*argument: object) -> dict[str, float]:
    """What a task's arguments weigh and cost on their way."""
    data, packing = timed(lambda: pickle.dumps(argument))
    _, unpacking = timed(lambda: pickle.loads(data))
    return {"bytes": len(data), "seconds": round(packing + unpacking, 5)}


def tasks(method: str, plans: list[ContributorPlan], target: ContributorPlan) -> dict[str, object]:
    """Prefect's and Dask's tasks of such a run, with what one carries; references counted once a contributor."""
    config = configured(method)
    job, other = job_of(config, plans[0]), target_job(config, target, {"model": "resnet18"}, CLASSES)
    if method == "sketched":
        batches = statistics.batches(job)
        _, naming = timed(lambda: terms.terms_ref(job, other))
        per_contributor, dask, shared = 3, 3 + len(batches), 3  # gate, summary, terms; the pieces' batches and their sum
        light = job.model_copy(update={"contributor": job.contributor.without_shards()})
        heaviest = carried(light, other, batches[0])
    else:
        _, naming = timed(lambda: (forward.forward_ref(job), gradients.gram_ref(job, other), terms.terms_ref(job, other)))
        per_contributor, dask, shared = 4, 4, 1  # gate, forward pass, Gram matrix, terms
        heaviest = carried(job, other)
    return {
        "part": f"tasks/{method}",
        "prefect_tasks": shared + per_contributor * len(plans),
        "dask_tasks": shared + dask * len(plans),
        "contributor_seconds": round(naming, 5),
        "carried": heaviest,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--contributors", type=int, default=1000)
    parser.add_argument("--shards", type=int, default=1000)
    given = parser.parse_args()
    config, before = configured("exact"), peak_bytes()
    found, listed = timed(lambda: listing(given.contributors, given.shards))
    held, inputs = peak_bytes(), (found, found["contributor-0000"][:1])
    _, named = timed(lambda: run_fingerprint(config, inputs))
    plan, planned = timed(lambda: make_plan(config, inputs, FOOTPRINT, WORKERS, WORKER_BYTES))
    _, digested = timed(lambda: [one.digest for one in plan.contributors])
    _, again = timed(lambda: [one.digest for one in plan.contributors])
    plan_line = {
        "part": "plan",
        "shards": given.contributors * given.shards,
        "listing_seconds": round(listed, 3),
        "fingerprint_seconds": round(named, 3),
        "plan_seconds": round(planned, 3),
        "digests_seconds": round(digested, 3),
        "digests_again_seconds": round(again, 5),
        "listing_bytes": held - before,
        "peak_bytes": peak_bytes() - before,
    }
    print(json.dumps(plan_line), flush=True)
    for method in ("exact", "sketched"):
        print(json.dumps(tasks(method, plan.contributors, plan.target)), flush=True)


if __name__ == "__main__":
    main()
