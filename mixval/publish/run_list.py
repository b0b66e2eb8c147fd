"""The runs below an output root, newest first, and what each says."""

from __future__ import annotations

from typing import Literal

from mixval.config.base import FrozenModel
from mixval.errors import MixvalError
from mixval.publish.names import listed
from mixval.publish.numerals import counted
from mixval.publish.run_manifest import MANIFEST
from mixval.publish.stored_run import StoredRun, open_run_at
from mixval.publish.verdict_words import headline
from mixval.storage.layout import Layout
from mixval.storage.pointer import read_latest
from mixval.storage.root import Location

MOST_NAMED = 3
"""Contributors that a run's line names of one kind."""


class ListedRun(FrozenModel):
    """One published run."""

    run_id: str
    url: str
    state: Literal["latest", "earlier", "unreadable"]
    """`latest`: latest.json points to it. `unreadable`: this mixval cannot read it; `says` tells why."""
    created: str = ""
    """UTC, ISO 8601."""
    n_ranked: int = 0
    """Contributors with a value."""
    n_rejected: int = 0
    """Rejected by the gate, or failed."""
    says: str
    """In one sentence."""


def list_runs(output: Location, most: int) -> tuple[list[ListedRun], int]:
    """At most `most` runs below an output root, newest first, and how many there are. None where nothing was published."""
    if not output.child("runs").exists():
        return [], 0
    names = sorted(output.child("runs").folders(), reverse=True)
    published = [name for name in names if Layout(output).run(name).child(MANIFEST).exists()]
    latest = read_latest(output)
    return [_listed(output, name, latest is not None and latest.run_id == name) for name in published[:most]], len(published)


def _listed(output: Location, name: str, is_latest: bool) -> ListedRun:
    folder = Layout(output).run(name)
    try:
        run = open_run_at(folder)
    except MixvalError as error:
        return ListedRun(run_id=name, url=folder.url, state="unreadable", says=str(error))
    return ListedRun(
        run_id=name,
        url=folder.url,
        state="latest" if is_latest else "earlier",
        created=run.manifest.created,
        n_ranked=run.ranking.num_rows,
        n_rejected=len(set(run.rejected["contributor"].to_pylist())),
        says=_says(run),
    )


def _says(run: StoredRun) -> str:
    rejected = sorted(set(run.rejected["contributor"].to_pylist()))
    parts = [headline(run.ranking).plain(MOST_NAMED)]
    parts += [f"Without a value: {listed(rejected, MOST_NAMED)}."] if rejected else []
    n_serious = sum(warning.severity == "serious" for warning in run.manifest.warnings)
    return " ".join([*parts, *([f"{counted(n_serious, 'serious warning')}."] if n_serious else [])])
