"""Measures worlds from the rows to the evidence: truth, every ranking, the table, the figures and the page.

    python -m benchmarks.evidence.run cifar10 lm --data DIR --out FOLDER [--contributors 40] [--seeds 3]
        [--encoder DIR] [--language-model DIR] [--methods size mmd ...] [--skip METHOD ...] [--figures] [--page FILE]
        [--also DIR ...]

Writes FOLDER/WORLD/results.json. Resumable: truth and scores that lie under FOLDER/WORLD already are not made again, each
method's scores being stored as soon as it ends. `--methods` and `--skip` say which ones are computed; results.json holds these
and all others that have scores of the same rows, target, backbone and budget, so that a second command adds to the first.

`--truth benchmarks/results/evidence` trains nothing: truth is what is stored there of the same rows, and so are the scores of
methods that are not measured now. With `--methods ntk-regression` only our own column is measured again.

Without a world, the table, the figures and the page are made again from the results below --out and below each folder of
`--also`; where a WORLD holds an ablation.json, stability.json or attacks.json, the page shows that too. `eq8-fitted` is made
from the stored results of the other worlds, whenever they are shown (`mixval/evidence/fitted.py`).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.evidence.measure import lay_out, truth_jobs
from benchmarks.evidence.sections import sections
from benchmarks.evidence.stored import read_evidence
from benchmarks.evidence.worlds.datasets import READINGS
from benchmarks.evidence.worlds.inputs import inputs_of, measured
from benchmarks.evidence.worlds.settings import WORLDS
from benchmarks.figures import Figure, figure, write_beside
from mixval.config.load import load_config
from mixval.config.tasks import Task, spec_of
from mixval.config.valuation import ValuationConfig
from mixval.errors import ContractError
from mixval.evidence.baselines.inputs import Budget
from mixval.evidence.baselines.registry import METHODS, methods_for
from mixval.evidence.comparison import OURS, Comparison, compare
from mixval.evidence.fitted import FITTED, with_fitted
from mixval.evidence.page.render import render_page
from mixval.evidence.ranking import chosen_methods, outcome_words, rank, row_digests, rows_digest, truth_of, world_result
from mixval.evidence.results import MethodResult, SkippedMethod, WorldResult, read_result, write_result
from mixval.evidence.stored_scores import StoredScores, scores_key
from mixval.evidence.table import table_text
from mixval.evidence.truth import TruthJob, train_contributor
from mixval.models.identity import backbone_identity
from mixval.models.load import load_backbone
from mixval.stages.preparing import run_fingerprint
from mixval.storage.commit import ArtifactStore
from mixval.storage.listing import list_inputs
from mixval.storage.root import open_location

COMMAND = "python -m benchmarks.evidence.run"
WANTED, NEAR = 0.95, 0.03
"""Mean Spearman correlation that is asked for, and how far below the agreement of seeds it may lie where that is lower."""
KNOWN = sorted({*METHODS, FITTED})


def run_world(name: str, given: argparse.Namespace) -> WorldResult:
    """Draw the world, train its truth, rank it with every method, and store what came out."""
    setting, folder = WORLDS[name], given.out / name
    checkpoint = checkpoint_of(name, given)
    world = lay_out(name, given.data, folder, given.contributors, given.seed, checkpoint)
    jobs = truth_jobs(name, world, folder, given.seeds, checkpoint)
    before = None if given.truth is None else known_result(name, jobs, given)
    truth = trained(name, jobs) if before is None else (before.truth, before.truth_seconds)
    backbone = load_backbone(setting.backbone_config(checkpoint), world.design.task, jobs[0].classes)
    config = measured(load_config(folder / "config.yaml"), setting.budget)
    inputs = inputs_of(world, backbone, setting.budget, config)
    stored = scores_below(folder, jobs, inputs.budget, config)
    wanted = wanted_methods(inputs.task, given, stored)
    ranked = list(reported(rank(name, inputs, truth[0], wanted, stored.found_or_scored)))
    ranked += [] if before is None else others(before, ranked)
    result = world_result(name, jobs, truth, ranked, command_of(name, given, [one.method for one in ranked]))
    write_result(result, open_location(given.out))
    return result


def trained(name: str, jobs: Sequence[TruthJob]) -> tuple[dict[str, list[float]], float]:
    """Truth of every contributor and seed, and the thread seconds of all trainings; what is there is not trained again."""
    for at, job in enumerate(jobs):
        train_contributor(job)
        print(f"\r{name}: truth {at + 1} of {len(jobs)}", end="", file=sys.stderr)
    print(file=sys.stderr)
    return truth_of(jobs)


def known_result(name: str, jobs: Sequence[TruthJob], given: argparse.Namespace) -> WorldResult:
    """What is stored of the world below --truth. Raises ContractError where it is of other rows or seeds than these."""
    found, rows = read_result(open_location(given.truth).child(name)), row_digests(jobs)
    seeds = {len(one) for one in found.truth.values()}
    if found.rows != rows or seeds != {given.seeds}:
        n_same = len(found.rows.items() & rows.items())
        raise ContractError(
            f"{given.truth}: expected truth of the {len(rows)} contributors of {name!r} at {given.seeds} seed(s), on the same "
            f"rows, found {len(found.truth)} at {sorted(seeds)}, {n_same} of them on the same rows. Draw the world as its "
            "stored `command` does, or leave --truth out."
        )
    return found


def others(before: WorldResult, ranked: Sequence[MethodResult | SkippedMethod]) -> list[MethodResult | SkippedMethod]:
    """What is stored of methods that were not measured now."""
    known, stored = {one.method for one in ranked}, list[MethodResult | SkippedMethod]([*before.methods, *before.skipped])
    return [one for one in stored if one.method not in known]


def scores_below(folder: Path, jobs: Sequence[TruthJob], budget: Budget, config: ValuationConfig) -> StoredScores:
    """Where the scores of the world in `folder` are, or will be, stored."""
    root, any_job = open_location(folder), jobs[0]
    identity = backbone_identity(any_job.backbone, any_job.task, any_job.classes)
    key = scores_key(row_digests(jobs), rows_digest([root.child("target")]), identity, budget)
    return StoredScores(ArtifactStore(root), key, run_fingerprint(config, list_inputs(config.source)))


def wanted_methods(task: Task, given: argparse.Namespace, stored: StoredScores) -> set[str]:
    """Methods that the command line asks for, and those that have scores already."""
    asked = chosen_methods(task, None if given.methods is None else {*given.methods, given.ours})
    held = {method.name for method in methods_for(task) if stored.store.committed(stored.ref(method)) is not None}
    return {method.name for method in asked} - {*given.skip} | held


def reported(ranked: Iterable[MethodResult | SkippedMethod]) -> Iterator[MethodResult | SkippedMethod]:
    """The same, each method with its outcome and seconds on standard error as it ends."""
    for one in ranked:
        print(f"  {one.method}: {outcome_words(one)}", file=sys.stderr)
        yield one


def command_of(name: str, given: argparse.Namespace, methods: Collection[str]) -> str:
    """What measures the world with these methods again, but for folders: the shorter of naming them and naming the others."""
    others = [method.name for method in methods_for(READINGS[WORLDS[name].dataset].task) if method.name not in methods]
    choice = ("--skip", others) if len(others) < len(methods) else ("--methods", methods)
    words = f" {choice[0]} {' '.join(choice[1])}" if others else ""
    return f"{COMMAND} {name} --contributors {given.contributors} --seeds {given.seeds} --seed {given.seed}{words}"


def checkpoint_of(name: str, given: argparse.Namespace) -> Path | None:
    """The folder of the backbone of a text world."""
    if WORLDS[name].backbone is not None:
        return None
    is_causal = spec_of(READINGS[WORLDS[name].dataset].task).is_causal
    folder: Path | None = given.language_model if is_causal else given.encoder
    return folder


def figures(comparison: Comparison, command: str) -> list[Figure]:
    """The claims of the evidence in the format of `benchmarks/figures.py`."""
    claims: list[tuple[str, float | None, str]] = []
    for one in comparison.methods:
        for world, found in one.by_world.items():
            name = f"spearman/{world}/{one.method}"
            claims += [(name, found.value, "1"), (f"{name}/low", found.low, "1"), (f"{name}/high", found.high, "1")]
        is_ours = one.method == comparison.ours
        name = "mean_spearman" if is_ours else f"rival_mean_spearman/{one.method}"
        if is_ours or one.is_rival:
            claims += [(name, one.mean.value, "1"), (f"{name}/low", one.mean.low, "1"), (f"{name}/high", one.mean.high, "1")]
        if one.against_ours is not None:
            claims += [(f"gain_p_holm/{one.method}", one.against_ours.p_holm, "1")]
        claims += [(f"seconds/{one.method}", one.seconds, "seconds"), (f"peak_bytes/{one.method}", one.peak_bytes, "bytes")]
    claims += [(f"ceiling/{world}", found, "1") for world, found in comparison.ceilings.items()]
    claims += [(f"seed_agreement/{world}", found, "1") for world, found in comparison.agreements.items()]
    targets = {"mean_spearman": f">= {wanted_mean(comparison):.4g}"}
    return [figure(name, value, targets.get(name, "-"), unit, command) for name, value, unit in claims]


def wanted_mean(comparison: Comparison) -> float:
    """The mean over worlds of 0.95, or 0.03 below the agreement of the world's seeds where that is lower."""
    known = [1.0 if found is None else found for found in comparison.agreements.values()]
    return float(np.mean([min(WANTED, found - NEAR) for found in known]))


def parsed(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line's arguments, checked before anything is drawn."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Measures worlds and holds rankings against truth.")
    parser.add_argument("worlds", nargs="*", metavar="WORLD", help=f"out of {', '.join(WORLDS)}; none: stored results alone")
    parser.add_argument("--data", type=Path, help="folder of the data sets")
    parser.add_argument("--out", type=Path, required=True, help="folder for worlds, truth and results")
    parser.add_argument("--contributors", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each contributor")
    parser.add_argument("--seed", type=int, default=0, help="of the world")
    parser.add_argument("--encoder", type=Path, help="backbone of `sentiment`, from sentence_encoder.py")
    parser.add_argument("--language-model", type=Path, help="backbone of causal worlds, from pretrain.py")
    parser.add_argument("--methods", nargs="+", choices=KNOWN, metavar="METHOD", help="--ours is always among them")
    parser.add_argument(
        "--truth", type=Path, help="folder of stored results, e.g. benchmarks/results/evidence: truth and other methods' scores"
    )
    parser.add_argument("--skip", nargs="+", choices=sorted(METHODS), default=[], metavar="METHOD", help="not to be computed")
    parser.add_argument("--ours", default=OURS, choices=KNOWN, metavar="METHOD", help="compared with all others")
    parser.add_argument("--figures", action="store_true", help="write benchmarks/results/evidence.json")
    parser.add_argument("--page", type=Path, help="write the evidence page here")
    parser.add_argument("--also", nargs="+", type=Path, default=[], metavar="DIR", help="more folders of what is shown")
    given = parser.parse_args(words)
    given.out = given.out.resolve()
    if unknown := sorted(set(given.worlds) - set(WORLDS)):
        parser.error(f"expected worlds out of {', '.join(WORLDS)}, found {', '.join(unknown)}")
    if given.worlds and given.data is None:
        parser.error("a world is drawn from --data, the folder of the data sets")
    if given.ours in given.skip:
        parser.error(f"{given.ours} is what the others are compared with. Leave it out of --skip, or name another with --ours")
    for name in given.worlds:
        if WORLDS[name].backbone is None and checkpoint_of(name, given) is None:
            parser.error(f"the world {name!r} needs its backbone: --encoder for sentiment, --language-model for causal worlds")
    return given


def main(words: Sequence[str] | None = None) -> None:
    """Measure the worlds named on the command line, then show all results below --out."""
    given = parsed(words)
    torch.set_num_threads(1)
    for name in given.worlds:
        for one in run_world(name, given).skipped:
            print(f"{name}: {one.method} has no scores: {one.reason}")
    stored, studies = read_evidence([open_location(folder) for folder in (given.out, *given.also)])
    results = with_fitted(stored)
    comparison = compare(results, given.ours)
    print(table_text(comparison))
    if given.page is not None:
        given.page.write_text(render_page(results, given.ours, sections(studies)), encoding="utf-8")
        print(f"page: {given.page}")
    if given.figures:
        write_beside("evidence", figures(comparison, f"{COMMAND} {' '.join(comparison.worlds)}"), COMMAND)


if __name__ == "__main__":
    main()
