"""Choice of the peak rate with which truth trains a backbone of the distribution: the best median over contributors.

    python -m benchmarks.evidence.distribution.rates WORLD ... --rates 1e-4 3e-4 1e-3 --data DIR --out FOLDER
        [--encoder DIR] [--language-model DIR] [--weights DIR] [--figures]

Of each development world, one training of every contributor a rate and way of stopping, and the log-likelihood of the test set.
At too high a rate a model is sure of its mistakes and worse than guessing, and truth then ranks by that. Rankings play no part
in the choice. Trainings are stored below FOLDER/WORLD/truth, as those of the world's own rate are.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence

import numpy as np
import torch

from benchmarks.evidence.distribution.backbones import Folders, folder_options
from benchmarks.evidence.distribution.catalogue import development_worlds
from benchmarks.evidence.distribution.opening import OpenWorld, opened
from benchmarks.figures import Figure, figure, write_beside
from mixval.evidence.truth import TruthJob, read_truth, train_contributor
from mixval.terms.arrays import Floats

COMMAND = "python -m benchmarks.evidence.distribution.rates"
RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)


def likelihoods(world: OpenWorld, rates: Sequence[float]) -> dict[tuple[str, float], Floats]:
    """(how training stops, rate) -> (K,) log-likelihoods of the test set after training so, nats."""
    jobs = {
        (stopping, rate): [_at(job, rate) for job in held if job.seed == 0]
        for stopping, held in world.jobs.items()
        for rate in rates
    }
    for of_one in zip(*jobs.values(), strict=True):  # contributor by contributor: its rows are kept
        for job in of_one:
            train_contributor(job)
    return {key: -read_truth(held)["loss"].to_numpy() for key, held in jobs.items()}


def _at(job: TruthJob, rate: float) -> TruthJob:
    return job.model_copy(update={"recipe": job.recipe.model_copy(update={"learning_rate": rate})})


def figures(name: str, found: dict[tuple[str, float], Floats], guess: float | None, command: str) -> list[Figure]:
    """`rate/WORLD/STOPPING/RATE`: the median, and with labels the share of contributors below guessing (`below-guessing`)."""
    made = []
    for (stopping, rate), values in found.items():
        label = f"rate/{name}/{stopping}/{rate:g}"
        made.append(figure(label, float(np.median(values)), "-", "nats", command))
        if guess is not None:
            made.append(figure(f"{label}/below-guessing", float((values < -guess).mean()), "-", "1", command))
    return made


def parsed(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line's arguments, checked before anything is drawn."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Trains development worlds at several rates.")
    parser.add_argument("worlds", nargs="+", metavar="WORLD", help="development worlds")
    parser.add_argument("--rates", nargs="+", type=float, default=RATES, metavar="RATE", help="peak rates")
    folder_options(parser)
    parser.add_argument("--figures", action="store_true", help="write benchmarks/results/rates.json")
    given = parser.parse_args(words)
    given.listed = development_worlds(parser, given.worlds, "rates")
    if not all(rate > 0 for rate in given.rates):
        parser.error(f"--rates: expected numbers above 0, found {given.rates}")
    return given


def main(words: Sequence[str] | None = None) -> None:
    """Train every world at every rate."""
    given = parsed(words)
    torch.set_num_threads(1)
    made: list[Figure] = []
    for listed in given.listed:
        with opened(listed, given.data, given.out, Folders.given(given)) as world:
            guess = math.log(world.inputs.n_classes) if world.inputs.has_labels else None
            found = likelihoods(world, given.rates)
        for (stopping, rate), values in found.items():
            print(f"{listed.name}  {stopping:14s} {rate:8g} median {np.median(values):8.4f} nats", flush=True)
        rates = " ".join(f"{rate:g}" for rate in given.rates)
        made += figures(listed.name, found, guess, f"{COMMAND} {listed.name} --rates {rates}")
    if given.figures:
        write_beside("rates", made, COMMAND)
        print(f"{len(made)} figures written", file=sys.stderr)


if __name__ == "__main__":
    main()
