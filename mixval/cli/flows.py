"""The installed flows, found through an entry point, because the library must not import the packages above it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import typer
from typer.core import TyperCommand

from mixval.errors import ConfigError
from mixval.installing import install_command

if TYPE_CHECKING:
    from mixval.config.base import FrozenModel
    from mixval.config.overrides import Override
    from mixval.progress import Progress

GROUP, ENTRY = "mixval.runners", "registry"


class InstalledFlow(Protocol):
    """What the command line needs of a flow; `flows/mixval_flows/registry.py` implements it."""

    name: str
    sentence: str
    warns: bool

    def load_config(self, file: Path, changes: Sequence[Override]) -> FrozenModel:
        """Its configuration from a YAML file, with what is set beside it."""

    def config_schema(self) -> dict[str, Any]:
        """The JSON schema of its configuration."""

    def make_plan(self, config: FrozenModel) -> Any:
        """What a run would do."""

    def run(self, config: FrozenModel, progress: Progress) -> FrozenModel:
        """Run it once; its summary."""

    def show(self, summary: FrozenModel) -> None:
        """Print the summary for people."""


class Registry(Protocol):
    """The module `flows/mixval_flows/registry.py`."""

    def flow_named(self, name: str) -> InstalledFlow:
        """The flow of this name. Raises ConfigError that lists them all."""

    def listed_flows(self) -> str:
        """The flows, each with its sentence."""


class FlowCommand(TyperCommand):
    """A command whose help lists the flows. They are looked up only when the help is printed."""

    def format_help(self, *given: Any) -> None:
        """The help text, with the flows at its end."""
        self.epilog = registry().listed_flows()
        super().format_help(*given)


def registry() -> Registry:
    """The flows that are installed. Raises ConfigError when none are."""
    found = entry_points(group=GROUP, name=ENTRY)
    if not found:
        raise ConfigError(f"no entry point `{ENTRY}` of {GROUP} is installed. Run: {install_command()}")
    flows: Registry = next(iter(found)).load()
    return flows


def run_flow(name: str, file: Path, as_json: bool, changes: Sequence[Override], fail_on: Sequence[str] = ()) -> int:
    """Run a flow on a configuration file, with progress on standard error, and print its summary.

    Returns the exit code: not 0 where the run has a warning of `fail_on`, or its summary has a code of its own.
    """
    from mixval.cli.fail_on import exit_code_of, refuse_unusable
    from mixval.cli.progress_view import front_end

    flow = registry().flow_named(name)
    refuse_unusable(fail_on, name, flow.warns)
    config = flow.load_config(file, changes)
    with front_end(as_json, getattr(config, "runtime").log == "json") as progress:  # noqa: B009  of every flow's configuration
        summary = flow.run(config, progress)
    if as_json:
        print(summary.model_dump_json(indent=2))
    else:
        flow.show(summary)
    return exit_code_of(getattr(summary, "warnings", ()), fail_on) or int(getattr(summary, "exit_code", 0))


def run_or_plan(
    name: str, file: Path, changes: Sequence[Override], *, dry_run: bool, as_json: bool, show_plan: Callable[[Any], None]
) -> int:
    """The exit code of a run; or of `dry_run`, which prints what a run would do, by `show_plan` or as JSON."""
    if not dry_run:
        return run_flow(name, file, as_json, changes)
    flow = registry().flow_named(name)
    plan = flow.make_plan(flow.load_config(file, changes))
    if as_json:
        typer.echo(json.dumps(plan.model_dump(mode="json"), indent=2))
    else:
        show_plan(plan)
    return 0
