"""What a finished study of mixtures says: good ratios and gaps at its largest size and budget, with intervals.

    mixval scaling study examples/mixtures/study.yaml --output OUTPUT
    python -m benchmarks.scaling_laws.study --output OUTPUT

reads the latest run below OUTPUT and writes its figures to `benchmarks/results/scaling.json`. Where the study cannot say which
ratio is good, the figure is missing and the interval is recorded all the same.
"""

from __future__ import annotations

import argparse

from benchmarks.figures import Figure, figure, write_by_name
from mixval.errors import StorageError
from mixval.experiments.study.results import StudyManifest, StudySummary
from mixval.publish.publication import whole_manifest
from mixval.storage.layout import Layout
from mixval.storage.pointer import standing_latest
from mixval.storage.root import open_location

COMMAND = "python -m benchmarks.scaling_laws.study --output OUTPUT"


def latest_study(output: str) -> StudySummary:
    """The latest run's summary. Raises StorageError where there is no whole one."""
    root = open_location(output)
    latest = standing_latest(root)
    found = None if latest is None else whole_manifest(Layout(root).run(latest.run_id), StudyManifest, "study-manifest")
    if found is None:
        raise StorageError(f"{output}: expected a finished study, found none. Run: mixval scaling study ... --output {output}")
    return found.summary


def study_figures(summary: StudySummary) -> list[Figure]:
    """Good ratios, and gaps to real text."""
    found, figures = summary.figures, []
    size, tokens = found.sizes[-1].name, found.budgets[-1]
    for one in found.good:
        if (one.size, one.tokens) == (size, tokens):
            span = one.per_cent
            figures.append(
                figure(f"study_good_ratio/{one.synthetic}", None if one.reason else span.value, "-", "% synthetic", COMMAND)
            )
            figures += [
                figure(f"study_good_ratio/{one.synthetic}/{end}", value, "-", "% synthetic", COMMAND)
                for end, value in (("low", span.low), ("high", span.high))
            ]
    for place in found.places:
        if place.synthetic and (place.size, place.tokens) == (size, tokens):
            name = f"{place.synthetic}/{place.per_cent:g}"
            ends = (("", place.gap.value), ("/low", place.gap.low), ("/high", place.gap.high))
            figures += [figure(f"study_gap/{name}{end}", value, "-", "nats a token", COMMAND) for end, value in ends]
    n_models = len(found.places) * found.replicates
    return [*figures, figure("study_models", n_models, "-", "models", COMMAND)]


def main() -> None:
    """Record the study below the folder on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", required=True, help="the study's output")
    write_by_name("scaling", study_figures(latest_study(parser.parse_args().output)))


if __name__ == "__main__":
    main()
