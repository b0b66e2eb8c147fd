"""A stored run for people and for machines."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape

from mixval.publish.stored_run import StoredRun
from mixval.publish.terminal import print_ranking
from mixval.publish.verdict_words import headline, is_ordered, verdicts_in_words


def print_run(run: StoredRun, console: Console | None = None) -> None:
    """The ranking, when it was made, and the URL of its files."""
    console = console or Console()
    print_ranking(run, console)
    console.print(escape(f"Run {run.manifest.run_id}, made {run.manifest.created} by mixval {run.manifest.mixval_version}."))
    console.print(escape(f"Report: {run.folder.url}/report.html"), soft_wrap=True)


def run_document(run: StoredRun) -> dict[str, Any]:
    """The same as JSON-able values: rows of ranking.parquet, rejected.parquet and, where there are some, of parts.parquet,
    mixture_best.parquet, groups.parquet and truncation.parquet; and the warnings.
    """
    return {
        "headline": headline(run.ranking).plain(),
        "verdicts": verdicts_in_words(run.ranking).plain(),
        "is_ordered": is_ordered(run.ranking),
        "run_id": run.manifest.run_id,
        "url": run.folder.url,
        "created": run.manifest.created,
        "ranking": run.ranking.to_pylist(),
        "rejected": run.rejected.to_pylist(),
        "parts": None if run.parts is None else run.parts.to_pylist(),
        "mixture_best": None if run.mixture_best is None else run.mixture_best.to_pylist(),
        "groups": None if run.groups is None else run.groups.to_pylist(),
        "truncation": None if run.truncation is None else run.truncation.to_pylist(),
        "warnings": [warning.model_dump(mode="json") for warning in run.manifest.warnings],
    }
