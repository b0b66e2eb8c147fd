"""Measures worlds from the rows to the evidence: truth, every ranking, the table, the figures and the page.

    python -m benchmarks.evidence.run cifar10 lm --data DIR --out FOLDER [--contributors 40] [--seeds 3]
        [--encoder DIR] [--language-model DIR] [--methods size mmd ...] [--figures] [--page FILE]

Writes FOLDER/WORLD/results.json. Truth is resumable: what lies under FOLDER/WORLD already is not trained again. Without a
world, the table, the figures and the page are made again from the results below --out. `eq8-fitted` is made from the stored
results of the other worlds, whenever they are shown (`mixval/evidence/fitted.py`).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.evidence.datasets import READINGS
from benchmarks.evidence.measure import lay_out, truth_jobs
from benchmarks.evidence.settings import WORLDS
from benchmarks.figures import Figure, figure, write_beside
from mixval.evidence.baselines.inputs import Inputs, inputs_of
from mixval.evidence.baselines.method import Method, Scores
from mixval.evidence.baselines.registry import METHODS
from mixval.evidence.comparison import OURS, Comparison, compare
from mixval.evidence.fitted import FITTED, with_fitted
from mixval.evidence.page.render import render_page
from mixval.evidence.ranking import rank, row_digests, truth_of
from mixval.evidence.results import MethodResult, SkippedMethod, WorldResult, read_results, write_result
from mixval.evidence.table import table_text
from mixval.evidence.truth import train_contributor
from mixval.models.load import load_backbone
from mixval.storage.root import open_location

COMMAND = "python -m benchmarks.evidence.run"
KNOWN = sorted({*METHODS, FITTED})


def run_world(name: str, given: argparse.Namespace) -> WorldResult:
    """Draw the world, train its truth, rank it with every method, and store what came out."""
    setting, folder = WORLDS[name], given.out / name
    checkpoint = checkpoint_of(name, given)
    world = lay_out(name, given.data, folder, given.contributors, given.seed, checkpoint)
    jobs = truth_jobs(name, world, folder, given.seeds, checkpoint)
    for at, job in enumerate(jobs):
        train_contributor(job)
        print(f"\r{name}: truth {at + 1} of {len(jobs)}", end="", file=sys.stderr)
    print(file=sys.stderr)
    truth, seconds = truth_of(jobs)
    backbone = load_backbone(setting.backbone_config(checkpoint), world.design.task, jobs[0].classes)
    wanted = None if given.methods is None else {*given.methods, given.ours}
    ranked = list(rank(name, inputs_of(world, backbone), truth, wanted, announced))
    result = WorldResult(
        world=name,
        task=world.design.task,
        truth=truth,
        truth_seconds=seconds,
        methods=[one for one in ranked if isinstance(one, MethodResult)],
        skipped=[one for one in ranked if isinstance(one, SkippedMethod)],
        rows=row_digests(jobs),
        command=command_of(name, given),
    )
    write_result(result, open_location(given.out))
    return result


def command_of(name: str, given: argparse.Namespace) -> str:
    """What measures the world again, but for folders."""
    methods = "" if given.methods is None else f" --methods {' '.join(given.methods)}"
    return f"{COMMAND} {name} --contributors {given.contributors} --seeds {given.seeds} --seed {given.seed}{methods}"


def checkpoint_of(name: str, given: argparse.Namespace) -> Path | None:
    """The folder of the backbone of a text world."""
    if WORLDS[name].backbone is not None:
        return None
    is_causal = READINGS[WORLDS[name].dataset].task != "text-classification"
    folder: Path | None = given.language_model if is_causal else given.encoder
    return folder


def announced(method: Method, inputs: Inputs) -> Scores:
    """The scores, after the method's name on standard error."""
    print(f"  {method.name}", file=sys.stderr)
    return method.rank(inputs)


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
    return [figure(name, value, "-", unit, command) for name, value, unit in claims]


def parsed(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What the command line says, checked before anything is drawn."""
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
    parser.add_argument("--ours", default=OURS, choices=KNOWN, metavar="METHOD", help="compared with all others")
    parser.add_argument("--figures", action="store_true", help="write benchmarks/results/evidence.json")
    parser.add_argument("--page", type=Path, help="write the evidence page here")
    given = parser.parse_args(words)
    given.out = given.out.resolve()
    if unknown := sorted(set(given.worlds) - set(WORLDS)):
        parser.error(f"expected worlds out of {', '.join(WORLDS)}, found {', '.join(unknown)}")
    if given.worlds and given.data is None:
        parser.error("a world is drawn from --data, the folder of the data sets")
    for name in given.worlds:
        if WORLDS[name].backbone is None and checkpoint_of(name, given) is None:
            parser.error(f"the world {name!r} needs its backbone: --encoder for sentiment, --language-model for causal worlds")
    return given


def main() -> None:
    """Measure the worlds named on the command line, then show all results below --out."""
    given = parsed()
    torch.set_num_threads(1)
    for name in given.worlds:
        for one in run_world(name, given).skipped:
            print(f"{name}: {one.method} has no scores: {one.reason}")
    results = with_fitted(read_results(open_location(given.out)))
    comparison = compare(results, given.ours)
    print(table_text(comparison))
    if given.page is not None:
        given.page.write_text(render_page(results, given.ours), encoding="utf-8")
        print(f"page: {given.page}")
    if given.figures:
        write_beside("evidence", figures(comparison, f"{COMMAND} {' '.join(comparison.worlds)}"), COMMAND)


if __name__ == "__main__":
    main()
