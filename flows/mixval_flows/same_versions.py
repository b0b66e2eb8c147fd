"""Workers that somebody else has started must have what this process has: compared before any work is sent to them."""

from __future__ import annotations

from collections.abc import Mapping

from distributed import Client

from mixval.errors import ConfigError
from mixval.installing import install_command
from mixval.publish.run_manifest import PACKAGES

COMPARED = ("mixval", *(name for name in PACKAGES if name != "prefect"))
"""Packages in which a worker computes. Prefect stays in the flow's process."""
MOST_NAMED = 3
"""Workers that the message names."""


def require_same_versions(client: Client) -> None:
    """Raise ConfigError where a worker lacks a package, or has another version of it. Needs nothing but Dask on the workers.

    Workers that come later are not looked at: their image or environment should be that of the first.
    """
    found = client.get_versions(packages=list(COMPARED))
    here = _compared(found["client"]["packages"])
    differing: dict[str, list[str]] = {}
    for address, worker in sorted(found["workers"].items()):
        there = _compared(worker["packages"])
        lines = [f"{name} {there[name] or 'missing'} (here {here[name]})" for name in here if there[name] != here[name]]
        if lines:
            differing.setdefault(", ".join(lines), []).append(address)
    if differing:
        said = "; ".join(f"{_named(workers)}: {lines}" for lines, workers in differing.items())
        raise ConfigError(
            f"runtime.cluster: expected workers with the versions of this process, found {said}. Start workers from the same "
            f"environment or image, e.g. {install_command()} with this checkout's constraints.txt."
        )


def _compared(packages: Mapping[str, str | None]) -> dict[str, str | None]:
    python = ".".join(str(packages["python"]).split(".")[:2])
    return {"python": python} | {name: packages.get(name) for name in COMPARED if name != "python"}


def _named(workers: list[str]) -> str:
    more = f" and {len(workers) - MOST_NAMED} more" if len(workers) > MOST_NAMED else ""
    return ", ".join(workers[:MOST_NAMED]) + more
