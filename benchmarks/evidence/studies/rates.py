"""Choice of the peak rate with which truth trains a checkpoint: the one with the best median over contributors.

    python -m benchmarks.evidence.studies.rates instruction lm --data DIR --out FOLDER --language-model DIR [--rates 3e-5 1e-4]

At too high a rate a checkpoint loses what it has learnt before, and truth measures which rows harm least instead of which help
most. There is one training of every contributor a rate; rankings play no part in the choice, and the few contributors whose
rows are spoilt on purpose do not change a median. The agreement of ours with the truth of each rate is printed too, where
FOLDER/WORLD/results.json has its scores.

Trainings are stored below FOLDER/WORLD/rates, resumable, apart from the world's truth.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from scipy import stats

from benchmarks.evidence.measure import lay_out, truth_jobs
from benchmarks.evidence.worlds.settings import WORLDS
from benchmarks.figures import Figure, figure, write_beside
from mixval.evidence.comparison import OURS
from mixval.evidence.results import WorldResult
from mixval.evidence.training import evaluate
from mixval.evidence.truth import TruthJob, learner_of, read_truth, train_contributor, truth_matrix
from mixval.seeds import derive_seed
from mixval.storage.root import open_location
from mixval.storage.tables import decode_table

COMMAND = "python -m benchmarks.evidence.studies.rates"
RATES = (1e-5, 3e-5, 1e-4, 3e-4)


@dataclass(frozen=True)
class RateResult:
    """One world under one peak rate."""

    rate: float
    metrics: dict[str, float]
    """Contributor -> metric, higher is better."""
    untrained: float
    """The checkpoint's own metric."""

    @property
    def median(self) -> float:
        """What rates are chosen by."""
        return float(np.median(list(self.metrics.values())))

    @property
    def helped(self) -> float:
        """Share of contributors with which training made the checkpoint better, 0 to 1."""
        return float(np.mean([metric > self.untrained for metric in self.metrics.values()]))


def measure(jobs: Sequence[TruthJob], rate: float) -> RateResult:
    """Train every job with this peak rate."""
    rated = [job.model_copy(update={"recipe": job.recipe.model_copy(update={"learning_rate": rate})}) for job in jobs]
    for at, job in enumerate(rated):
        train_contributor(job)
        print(f"\r{rate:g}: {at + 1} of {len(rated)}", end="", file=sys.stderr)
    print(file=sys.stderr)
    names, metrics = truth_matrix(read_truth(rated))
    return RateResult(rate, dict(zip(names, metrics[0].tolist(), strict=True)), untrained(rated[0]))


def untrained(job: TruthJob) -> float:
    """The test metric of the backbone before any training."""
    learner = learner_of(job, derive_seed("truth", job.seed))
    test = pa.concat_tables([decode_table(file, file.read_bytes()) for file in open_location(job.test).files(".parquet")])
    return evaluate(learner, learner.encode(test)).metric


def agreement_with_ours(result: RateResult, file: Path) -> float | None:
    """Spearman's correlation of the rate's truth with our scores in a world's results. None where there are none."""
    if not file.exists():
        return None
    held = WorldResult.model_validate_json(file.read_text(encoding="utf-8"))
    scores = next((one.scores for one in held.methods if one.method == OURS), None)
    names = sorted(result.metrics)
    return None if scores is None else float(stats.spearmanr([result.metrics[n] for n in names], [scores[n] for n in names])[0])


def rate_figures(world: str, results: Sequence[RateResult], agreements: Sequence[float | None]) -> list[Figure]:
    """The median contributor's gain, the share of contributors that help, and agreement with ours, by rate."""
    command = f"{COMMAND} {world}"
    found = [figure(f"rate/{world}/untrained", results[0].untrained, "-", "negated nats a token", command)]
    for one, agreement in zip(results, agreements, strict=True):
        name = f"rate/{world}/{one.rate:g}"
        found.append(figure(f"{name}/median_gain", one.median - one.untrained, "-", "nats a token", command))
        found.append(figure(f"{name}/helped", one.helped, "-", "1", command))
        found.append(figure(f"{name}/spearman", agreement, "-", "1", command))
    return found


def study(world: str, given: argparse.Namespace) -> tuple[list[RateResult], list[float | None]]:
    """Every rate in one world, and how ours agrees with each."""
    folder = (given.out / world / "rates").resolve()
    drawn = lay_out(world, given.data, folder, given.contributors, given.seed, given.language_model)
    jobs = truth_jobs(world, drawn, folder, 1, given.language_model)
    results = [measure(jobs, rate) for rate in sorted(given.rates)]
    return results, [agreement_with_ours(one, given.results / world / "results.json") for one in results]


def table_text(world: str, results: Sequence[RateResult], agreements: Sequence[float | None]) -> str:
    """For a terminal."""
    best = max(results, key=lambda one: one.median)
    lines = [f"{world}: untrained {results[0].untrained:.4f}; rate, median metric, share helped, Spearman with ours"]
    for one, agreement in zip(results, agreements, strict=True):
        mark = "  <- best" if one is best else ""
        shown = "-" if agreement is None else f"{agreement:.2f}"
        lines.append(f"  {one.rate:7g}  {one.median:8.4f}  {one.helped:4.0%}  {shown}{mark}")
    return "\n".join(lines)


def parsed(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line's arguments."""
    causal = [name for name, setting in WORLDS.items() if setting.backbone is None and not setting.holds_out_more]
    parser = argparse.ArgumentParser(prog=COMMAND, description="Compares peak rates of the truth of causal worlds.")
    parser.add_argument("worlds", nargs="+", choices=causal, metavar="WORLD", help=f"out of {', '.join(causal)}")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--out", type=Path, required=True, help="folder of the worlds' folders")
    parser.add_argument("--results", type=Path, help="folder with WORLD/results.json; --out unless given")
    parser.add_argument("--language-model", type=Path, required=True, help="backbone, from pretrain.py")
    parser.add_argument("--rates", type=float, nargs="+", default=list(RATES), metavar="RATE")
    parser.add_argument("--contributors", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0, help="of the world")
    parser.add_argument("--figures", action="store_true", help="write benchmarks/results/evidence.json")
    given = parser.parse_args(words)
    given.results = given.results or given.out
    return given


def main() -> None:
    """Compare rates in the worlds named on the command line."""
    given = parsed()
    torch.set_num_threads(1)
    for world in given.worlds:
        results, agreements = study(world, given)
        print(table_text(world, results, agreements))
        if given.figures:
            write_beside("evidence", rate_figures(world, results, agreements), f"{COMMAND} {world}")


if __name__ == "__main__":
    main()
