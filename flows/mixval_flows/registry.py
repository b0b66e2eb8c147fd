"""The flows by name, for `mixval run`, `python -m mixval_flows` and `mixval_deployments.register`.

Everything is given by its import path and imported when it is needed, so that listing the flows imports nothing. The command
line of the library finds `FLOWS` through the entry point `registry` of `mixval.runners`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from mixval.errors import ConfigError

if TYPE_CHECKING:
    from prefect import Flow

    from mixval.config.base import FrozenModel
    from mixval.config.overrides import Override
    from mixval.progress import Progress


@dataclass(frozen=True)
class RegisteredFlow:
    """One flow, and what is needed to run it. Paths are `module:attribute`."""

    name: str
    """Name of the flow, as Prefect shows it."""
    sentence: str
    """What it does."""
    flow: str
    """Path of the flow, which takes `config` alone and returns a small frozen model."""
    config: str
    """Path of the class of its configuration, a frozen model with a field `runtime`."""
    front: str | None = None
    """Path of its own entry point, called with configuration and progress. None: the flow runs in a session of its own."""
    plan: str | None = None
    """Path of the function that makes the plan of a run from its configuration. None: the flow has no plan."""
    view: str | None = None
    """Path of the function that prints its summary. None: it is printed as JSON."""
    warns: bool = False
    """Whether its summary has `warnings`, those of `mixval/contracts/warnings.py`."""

    def load(self) -> Flow[..., Any]:
        """The flow itself."""
        found: Flow[..., Any] = resolve_name(self.flow)
        return found

    def load_config(self, file: Path, changes: Sequence[Override] = ()) -> FrozenModel:
        """Its configuration from a YAML file and what is set beside it. Raises ConfigError that names every problem's key."""
        from mixval.config.load import load_config_as

        config: type[FrozenModel] = resolve_name(self.config)
        return load_config_as(config, file, changes)

    def config_schema(self) -> dict[str, Any]:
        """The JSON schema of its configuration."""
        from mixval.config.schema import json_schema

        return json_schema(resolve_name(self.config))

    def run(self, config: FrozenModel, progress: Progress | None = None) -> FrozenModel:
        """Run it once; stored artifacts are reused."""
        if self.front is None:
            from mixval_flows.front import run_flow

            return run_flow(self.flow, config, progress)
        front: Callable[..., FrozenModel] = resolve_name(self.front)
        return front(config, progress)

    def make_plan(self, config: FrozenModel) -> Any:
        """What a run would do. Raises ConfigError for a flow that has no plan."""
        if self.plan is None:
            raise ConfigError(f"flow `{self.name}`: this flow has no plan. Run it: mixval run {self.name}")
        return resolve_name(self.plan)(config)

    def show(self, summary: FrozenModel) -> None:
        """Print a run's summary."""
        if self.view is None:
            print(summary.model_dump_json(indent=2))
        else:
            resolve_name(self.view)(summary)


_ALL = (
    RegisteredFlow(
        name="valuation",
        sentence="Rank contributors by their value for the target set.",
        flow="mixval_flows.valuation:valuation",
        config="mixval.config.valuation:ValuationConfig",
        front="mixval_flows.front:run_valuation",
        plan="mixval_flows.front:plan_valuation",
        view="mixval.cli.summary_view:print_summary",
        warns=True,
    ),
    RegisteredFlow(
        name="calibration",
        sentence="Train on each contributor and fit the weights of Eq. 8's terms to the results.",
        flow="mixval_flows.calibration:calibration",
        config="mixval.evidence.calibrating_config:CalibrationConfig",
        view="mixval.cli.calibration_view:print_calibration",
    ),
    RegisteredFlow(
        name="ingestion",
        sentence="Decide which deliveries of an inbox may enter a table, by their value given what it holds, and append them.",
        flow="mixval_flows.ingestion:ingestion",
        config="mixval.config.ingestion:IngestionConfig",
        front="mixval_flows.front:run_ingestion",
        view="mixval.cli.gate_view:print_gate",
    ),
    RegisteredFlow(
        name="synthesis",
        sentence="Make synthetic rows from documents with a generator, filter them, and publish them as a contributor.",
        flow="mixval_flows.synthesis:synthesis",
        config="mixval.config.synthesis:SynthesisConfig",
        front="mixval_flows.front:run_synthesis",
        plan="mixval_flows.front:estimate_synthesis",
        view="mixval.cli.synthesis_view:print_synthesis",
    ),
    RegisteredFlow(
        name="experiment",
        sentence="Train models on ever more rows of a long tail, and draw their errors beside the exact curve of three phases.",
        flow="mixval_flows.experiment:experiment",
        config="mixval.experiments.config:ExperimentConfig",
        front="mixval_flows.front:run_experiment",
        plan="mixval_flows.front:plan_experiment",
        view="mixval.cli.experiment_view:print_experiment",
    ),
    RegisteredFlow(
        name="study",
        sentence="Train language models on mixtures of real and synthetic text, and find the good ratio.",
        flow="mixval_flows.experiment:study",
        config="mixval.experiments.study.config:StudyConfig",
        front="mixval_flows.front:run_study",
        plan="mixval_flows.front:plan_study",
        view="mixval.cli.study_view:print_study",
    ),
)
FLOWS = {one.name: one for one in _ALL}


def flow_named(name: str) -> RegisteredFlow:
    """The flow of this name. Raises ConfigError that lists them all."""
    if name in FLOWS:
        return FLOWS[name]
    similar = difflib.get_close_matches(name, FLOWS, n=1)
    hint = f" Did you mean `{similar[0]}`?" if similar else ""
    raise ConfigError(f"flow: expected one of {', '.join(FLOWS)}, found {name!r}.{hint}")


def listed_flows() -> str:
    """The flows, each with its sentence in a paragraph, for a help text."""
    return "\n\n".join(f"{one.name}: {one.sentence}" for one in _ALL)
