"""What a run publishes under other settings, against the truth of worlds of the distribution that are measured.

    python -m benchmarks.evidence.distribution.switches WORLD ... --set ntk.preconditioner=target [--set ...]
        --data DIR --out FOLDER [--encoder DIR] [--language-model DIR] [--weights DIR] [--results DIR] [--figures]

Each --set is a variant: settings `field.of.config=value`, joined by commas. What the worlds are measured with otherwise is
the first variant. Truth is that of the stored results, and nothing is trained. Judged worlds are refused: what is chosen is
chosen on others.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from scipy import stats

from benchmarks.evidence.distribution.backbones import Folders, folder_options
from benchmarks.evidence.distribution.catalogue import development_worlds, world_named
from benchmarks.evidence.distribution.opening import opened
from benchmarks.evidence.distribution.results import FORMS, DistributionResult, read, result_file
from benchmarks.figures import RESULTS, Figure, figure, write_beside
from mixval.config.valuation import ValuationConfig, merge
from mixval.evidence.baselines.product import ProductValues, product_values
from mixval.terms.arrays import Floats
from mixval.terms.ntk.value import run_values

COMMAND = "python -m benchmarks.evidence.distribution.switches"
AS_MEASURED = "as measured"
SHARE = 0.5
"""Of the mean slope: another displacement penalty of causal LMs than the run's, which gains and displacements give."""
OTHER_PENALTY = f"penalty-{SHARE:g}"


def settings_of(words: str) -> dict[str, Any]:
    """The configuration's entries of one --set. Raises ValueError for words that are no assignments."""
    found: dict[str, Any] = {}
    for part in words.split(","):
        name, equals, value = part.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise ValueError(f"expected settings as `ntk.preconditioner=target`, joined by commas, found {part!r}")
        inner = yaml.safe_load(value)
        for step in reversed(name.strip().split(".")):
            inner = {step: inner}
        found = merge(found, inner)
    return found


def correlations(held: DistributionResult, values: Floats) -> dict[str, float]:
    """Form of truth -> Spearman correlation with it."""
    return {form: float(stats.spearmanr(values, held.mean_truth(form)).statistic) for form in FORMS if form in held.truth}


def rankings(held: DistributionResult, found: ProductValues) -> dict[str, Floats]:
    """The run's values, and for causal LMs the gains to first order and under `SHARE`, in the order of the stored names."""
    made = {"value": found.of(held.names)}
    if not all("displacement" in one for one in found.regressions.values()):
        return made
    gains, moved = (found.regression(held.names, entry) for entry in ("estimate", "displacement"))
    return made | {"first-order": gains, OTHER_PENALTY: run_values(gains, displacements=moved, price=SHARE).values}


def measured(given: argparse.Namespace, name: str) -> Iterator[tuple[str, str, str, float]]:
    """Variant, ranking, form of truth and Spearman correlation in one world, variant by variant."""
    listed = world_named(name)
    held = read(result_file(given.results, listed))
    with opened(listed, given.data, given.out, Folders.given(given)) as world:
        for variant in (AS_MEASURED, *given.set):
            settings = {} if variant == AS_MEASURED else settings_of(variant)
            whole = merge(world.config.model_dump(mode="json", exclude_unset=True), settings)
            found = product_values(ValuationConfig.model_validate(whole))
            for ranking, values in rankings(held, found).items():
                for form, rho in correlations(held, values).items():
                    yield variant, ranking, form, rho


def figures(name: str, rows: Sequence[tuple[str, str, str, float]], command: str) -> list[Figure]:
    """`switch/WORLD/VARIANT/RANKING/FORM`, in the format of `benchmarks/figures.py`."""
    return [figure(f"switch/{name}/{'/'.join(labels)}", rho, "-", "1", command) for *labels, rho in rows]


def parsed(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line's arguments, checked before anything is drawn."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Holds other settings of a run against stored truth.")
    parser.add_argument("worlds", nargs="+", metavar="WORLD", help="development worlds with stored results")
    parser.add_argument("--set", action="append", required=True, metavar="FIELD=VALUE[,...]", help="one variant each")
    folder_options(parser)
    parser.add_argument("--results", type=Path, default=RESULTS / "evidence" / "distribution", help="folder of the results")
    parser.add_argument("--figures", action="store_true", help="write benchmarks/results/switches.json")
    given = parser.parse_args(words)
    for variant in given.set:
        try:
            settings_of(variant)
        except ValueError as error:
            parser.error(f"--set: {error}")
    development_worlds(parser, given.worlds, "settings")
    return given


def main(words: Sequence[str] | None = None) -> None:
    """Measure every variant in every world named on the command line."""
    given = parsed(words)
    torch.set_num_threads(1)
    made: list[Figure] = []
    for name in given.worlds:
        rows = []
        for row in measured(given, name):
            rows.append(row)
            print(f"{name}  {row[0]:48s} {row[1]:12s} {row[2]:30s} {row[3]:6.3f}", flush=True)
        variants = " ".join(f"--set {variant}" for variant in given.set)
        made += figures(name, rows, f"{COMMAND} {name} {variants}")
    if given.figures:
        write_beside("switches", made, COMMAND)
        print(f"{len(made)} figures written", file=sys.stderr)


if __name__ == "__main__":
    main()
