"""What a decision costs against holdings of any size, model compute apart.

    python -m benchmarks.gate.speed [--features 2048] [--repeats 3]

A batch of 10,000 new rows against holdings of 10 thousand to 10 million, whose statistics are synthesised at that size and
stored as a gate stores them: the target is real, rows are T's with seeded noise. Timed is what a gate does once a batch is
measured: read the holdings, value both and their union with intervals, look up which rows are held, and ask the policy. Seconds
are processor time, the least of some repeats; the exponent is the slope of their logarithms.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.figures import Figure, figure, write_beside
from mixval.config.ingestion import IngestionConfig
from mixval.contracts.ingestion import Standing
from mixval.contracts.outcomes import GateOutcome
from mixval.lake.delta import open_table
from mixval.stages import holdings
from mixval.stages.deciding import decide
from mixval.stages.held_batches import Batch
from mixval.stages.in_process import prepare_here
from mixval.stages.marginal import measure_given
from mixval.stages.routes import route_of
from mixval.stages.steps import make_here
from mixval.stages.target_gradients import read_target_gradients
from mixval.valuation.held_rows import HeldRows
from mixval.valuation.summed_rows import SampledSums

COMMAND = "python -m benchmarks.gate.speed"
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
BATCH_ROWS, MEASURED, KEPT = 10_000, 1_250, 1_000
DRAWN = 4_000
"""Rows that sums of millions are made from, each counted many times."""
TABLE_VERSION = 0


class Scene:
    """A gate of film reviews under the n-gram model, measured on its target alone."""

    def __init__(self, folder: Path, features: int) -> None:
        data = Path("examples/reviews/data")
        self.gate = IngestionConfig.model_validate(
            {
                "task": "text-classification",
                "inbox": str(folder / "inbox"),
                "table": str(folder / "table"),
                "target": str(data / "target"),
                "state": str(folder / "state"),
                "backbone": {"random_init": {"architecture": "ngrams"}},
                "valuation": {"ntk": {"sketch_features": features}},
                "runtime": {"device": "cpu"},
            }
        )
        self.config = self.gate.valuing({"amber": str(data / "contributors" / "contributor=amber")})
        self.prepared = prepare_here(self.config)
        self.target = self.prepared.target_job
        for step in route_of(self.target.ntk.method).shared_steps(self.target):
            make_here(step)
        self.table = open_table(self.gate.table)
        self.table.create(pa.schema([("text", pa.string()), ("label", pa.int64())]))
        side = read_target_gradients(self.target)
        self.phi, labels = side.features.astype(np.float64), side.objective.labels
        self.y = np.eye(side.objective.n_classes)[labels]

    def sums(self, admitted: int, measured: int, seed: int) -> SampledSums:
        """Of so many rows, each one of T's with noise as large as the spread of its gradients."""
        draw = np.random.default_rng(seed)
        n = min(measured, DRAWN)
        places = draw.integers(0, len(self.phi), n)
        phi = self.phi[places] + self.phi.std(axis=0) * draw.normal(size=(n, self.phi.shape[1]))
        y, weight = self.y[places], admitted / measured
        # Rows are measured where their key is below a share of all keys; kept are the smallest of those.
        keys = np.sort(draw.integers(0, int(2.0**64 / weight / max(measured / KEPT, 1)), min(KEPT, n), dtype=np.uint64))
        kept = (keys, phi[: len(keys)].astype(np.float32), y[: len(keys)], np.full(len(keys), weight))
        return SampledSums(admitted, measured, admitted / n * phi.T @ phi, admitted / n * phi.T @ y, KEPT, *kept)

    def batch(self) -> Batch:
        """None of its rows is held."""
        real, keys = self.sums(BATCH_ROWS, MEASURED, 1), content_keys(1, BATCH_ROWS)
        kept, n_by_part = {"real": keys[: len(real.keys)]}, {"real": BATCH_ROWS}
        return Batch("batch", None, n_by_part, lambda: {"real": real}, HeldRows.of(keys), kept, None, None)

    def hold(self, n_rows: int) -> None:
        """Store the holdings of a table of so many rows: deliveries of 10,000, of which an eighth is measured."""
        made = holdings.Holdings(
            TABLE_VERSION,
            {"real": self.sums(n_rows, n_rows // BATCH_ROWS * MEASURED, 3)},
            HeldRows.of(content_keys(0, n_rows)),
            {f"contributor {at}": ["a", "b"] for at in range(n_rows // BATCH_ROWS)},
        )
        holdings.commit_holdings(self.config, self.target, self.table, made)

    def seconds(self, batch: Batch, outcome: GateOutcome) -> float:
        """Processor time of one decision."""
        began = time.process_time()
        held = holdings.holdings_at(self.config, self.prepared, self.table, TABLE_VERSION)
        decide(self.gate.policy, measure_given(held, batch, outcome, self.target, self.config.sample), Standing())
        return time.process_time() - began


def content_keys(seed: int, n: int) -> np.ndarray:
    """Of so many rows; those of a smaller number are among those of a larger one."""
    return np.random.default_rng(100 + seed).integers(0, 2**64, n, dtype=np.uint64)


def measured(features: int, repeats: int) -> dict[int, float]:
    """Rows held -> seconds of a decision."""
    counts = {"n_rows": BATCH_ROWS, "n_real": BATCH_ROWS, "n_synthetic": 0, "n_dropped": 0}
    found, outcome = dict[int, float](), GateOutcome(contributor="new", verdict="admitted", **counts)
    for n_rows in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            scene = Scene(Path(folder), features)
            scene.hold(n_rows)
            batch = scene.batch()
            found[n_rows] = min(scene.seconds(batch, outcome) for _ in range(repeats))
            print(f"{n_rows:>12,} rows held: {found[n_rows]:.2f} s")
    return found


def figures(found: dict[int, float], command: str) -> list[Figure]:
    """The exponent, and seconds at either end."""
    slope = np.polyfit(np.log(list(found)), np.log(list(found.values())), 1)[0]
    ends = [figure(f"decision_seconds_{n}", found[n], "", "s CPU", command) for n in (SIZES[0], SIZES[-1])]
    return [figure("holdings_exponent", float(slope), "<= 0.05", "", command), *ends]


def main(arguments: list[str]) -> None:
    """Measure, and store the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--features", type=int, default=2048)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args(arguments)
    found = measured(given.features, given.repeats)
    write_beside("gate", figures(found, COMMAND), COMMAND)


if __name__ == "__main__":
    main(sys.argv[1:])
