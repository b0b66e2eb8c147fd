"""The flows by name: what `mixval run`, `python -m flows` and `deployments.register` can run, serve and register.

Everything is named by its import path and imported when it is asked for, so that a list of the flows costs nothing. The command
line of the library finds `FLOWS` through the entry point `registry` of `mixval.runners`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from mixval.errors import ConfigError

if TYPE_CHECKING:
    from prefect import Flow

    from mixval.config.base import FrozenModel
    from mixval.progress import Progress


@dataclass(frozen=True)
class RegisteredFlow:
    """One flow, and what is needed to run it for somebody. Paths are `module:attribute`."""

    name: str
    """Of the flow, as Prefect shows it."""
    sentence: str
    """What it does."""
    flow: str
    """Of the flow, which takes `config` alone and returns a small frozen model."""
    config: str
    """Of the class of its configuration, a frozen model with a field `runtime`."""
    front: str | None = None
    """Of a way in of its own, called with configuration and progress. None: the flow in a session with its API and cluster."""
    plan: str | None = None
    """Of what makes the plan of a run from its configuration, and computes nothing else. None: it has none."""
    view: str | None = None
    """Of what prints its summary for people. None: it is printed as JSON."""

    def load(self) -> Flow[..., Any]:
        """The flow itself."""
        found: Flow[..., Any] = resolve_name(self.flow)
        return found

    def load_config(self, file: Path) -> FrozenModel:
        """Its configuration from a YAML file. Raises ConfigError, with every problem named by its key."""
        from mixval.config.load import load_config_as

        config: type[FrozenModel] = resolve_name(self.config)
        return load_config_as(config, file)

    def run(self, config: FrozenModel, progress: Progress | None = None) -> FrozenModel:
        """Run it once; what was made before is found."""
        if self.front is None:
            from flows.front import run_flow

            return run_flow(self.flow, config, progress)
        front: Callable[..., FrozenModel] = resolve_name(self.front)
        return front(config, progress)

    def make_plan(self, config: FrozenModel) -> Any:
        """What a run would do. Raises ConfigError for a flow that has no plan."""
        if self.plan is None:
            raise ConfigError(f"flow `{self.name}`: expected one with a plan, which it has not. Run it: mixval run {self.name}")
        return resolve_name(self.plan)(config)

    def show(self, summary: FrozenModel) -> None:
        """Print a run's summary for people."""
        if self.view is None:
            print(summary.model_dump_json(indent=2))
        else:
            resolve_name(self.view)(summary)


_ALL = (
    RegisteredFlow(
        name="valuation",
        sentence="Rank the contributors of a catalogue by their value for the target set.",
        flow="flows.valuation:valuation",
        config="mixval.config.valuation:ValuationConfig",
        front="flows.front:run_valuation",
        plan="flows.front:plan_valuation",
        view="mixval.cli.summary_view:print_summary",
    ),
    RegisteredFlow(
        name="calibration",
        sentence="Train on every contributor and fit the weights of Eq. 8's terms to what came of it.",
        flow="flows.calibration:calibration",
        config="mixval.evidence.calibrating_config:CalibrationConfig",
        view="mixval.cli.calibration_view:print_calibration",
    ),
)
FLOWS = {one.name: one for one in _ALL}


def flow_named(name: str) -> RegisteredFlow:
    """The flow of this name. Raises ConfigError that lists them all."""
    if name in FLOWS:
        return FLOWS[name]
    near = difflib.get_close_matches(name, FLOWS, n=1)
    hint = f" Did you mean `{near[0]}`?" if near else ""
    raise ConfigError(f"flow: expected one of {', '.join(FLOWS)}, found {name!r}.{hint}")


def listed_flows() -> str:
    """The flows, each with its sentence in a paragraph, for a help text."""
    return "\n\n".join(f"{one.name}: {one.sentence}" for one in _ALL)
