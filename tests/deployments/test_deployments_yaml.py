"""`prefect.yaml`: each deployment's entry point loads, and each parameter set is a whole configuration that finds its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.client.schemas.schedules import CronSchedule
from prefect.deployments import steps
from prefect.events import DeploymentEventTrigger
from prefect.flows import load_flow_from_entrypoint
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools.validation import is_valid_schema, validate

from mixval.config.load import PATH_FIELDS, anchor_paths, parse_config_as
from mixval.config.runtime import RuntimeConfig
from mixval_flows.entry import NO_TELEMETRY
from mixval_flows.registry import FLOWS

ROOT = Path(__file__).parents[2]
DEFINITION = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))
DEPLOYMENTS = DEFINITION["deployments"]
EXAMPLES = {
    "reviews": "reviews/config.yaml",
    "reviews-gate": "reviews/gate.yaml",
    "reviews-weights": "reviews/calibration.yaml",
    "answers-synthesis": "answers/synthesis.yaml",
    "images-phases": "images/phases.yaml",
    "mixtures-study": "mixtures/study.yaml",
}
"""Deployment -> the configuration that it deploys."""
POLLED = ("reviews-gate",)
"""Started by an event, and every few minutes besides."""
WRITTEN = ("output", "inbox", "table", "state")
"""What a run writes, or whoever delivers to it: elsewhere than in the sources."""
LAID_OUT = {"answers-synthesis": ("source",)}
"""What the demo lays out for the example, and the deployment takes from where it comes from."""


def test_every_flow_is_deployed() -> None:
    assert {load_flow_from_entrypoint(str(ROOT / one["entrypoint"])).name for one in DEPLOYMENTS} == set(FLOWS)


@pytest.fixture(params=DEPLOYMENTS, ids=lambda one: one["name"])
def deployment(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(request.param)


def test_entry_point_takes_the_parameters(deployment: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    flow = load_flow_from_entrypoint(deployment["entrypoint"])
    assert flow.name in FLOWS
    validated = flow.validate_parameters(deployment["parameters"])
    assert type(validated["config"]).__name__ == FLOWS[flow.name].config.rpartition(":")[2]


def test_relative_paths_are_there_from_the_working_directory(deployment: dict[str, Any]) -> None:
    config = deployment["parameters"]["config"]
    paths = [_at(config, field) for field in PATH_FIELDS if field[0] not in WRITTEN]
    given = [one for path in paths if path is not None for one in (path.values() if isinstance(path, dict) else [path])]
    assert len(given) >= (1 if "table" in config else 2)
    assert [path for path in given if path != "byte" and not (ROOT / path).exists()] == []


def test_the_example_is_deployed_as_it_is_configured(deployment: dict[str, Any]) -> None:
    flow = FLOWS[load_flow_from_entrypoint(str(ROOT / deployment["entrypoint"])).name]
    example = flow.load_config(ROOT / "examples" / EXAMPLES[deployment["name"]])
    deployed = parse_config_as(type(example), anchor_paths(deployment["parameters"]["config"], ROOT))
    elsewhere = (*WRITTEN, *LAID_OUT.get(deployment["name"], ()))
    written = {name: getattr(example, name) for name in elsewhere if hasattr(example, name)}
    assert deployed.model_copy(update=written) == example
    assert not any(getattr(deployed, name) == place for name, place in written.items()), "into the sources"


def test_runs_wait_for_each_other_and_report_to_nobody(deployment: dict[str, Any]) -> None:
    strategy = "CANCEL_NEW" if deployment["name"] in POLLED else "ENQUEUE"
    assert deployment["concurrency_limit"] == {"limit": 1, "collision_strategy": strategy}
    assert deployment["work_pool"]["job_variables"]["env"] == NO_TELEMETRY


def test_schedules_are_valid_and_sleep(deployment: dict[str, Any]) -> None:
    for schedule in deployment["schedules"]:
        assert CronSchedule(cron=schedule["cron"], timezone=schedule["timezone"]).cron == schedule["cron"]
        assert schedule["active"] is False


def test_what_an_event_starts_is_polled_too(deployment: dict[str, Any]) -> None:
    triggers = [DeploymentEventTrigger.model_validate(one) for one in deployment.get("triggers", [])]
    assert [trigger.expect for trigger in triggers] == ([{"mixval.delivery"}] if deployment["name"] in POLLED else [])
    if triggers:
        assert [schedule["cron"] for schedule in deployment["schedules"]] == ["*/5 * * * *"]


def test_parameters_are_a_form_that_prefect_fills_and_checks(deployment: dict[str, Any]) -> None:
    """What the server checks when a run is asked for, and the page of the deployment draws."""
    flow = load_flow_from_entrypoint(str(ROOT / deployment["entrypoint"]))
    schema = parameter_schema(flow).model_dump_for_openapi()
    assert is_valid_schema(schema) is None
    assert validate(deployment["parameters"], schema) == []
    wrong = deployment["parameters"] | {"config": deployment["parameters"]["config"] | {"seed": "often", "sede": 1}}
    assert {tuple(error.absolute_path)[:2] for error in validate(wrong, schema)} == {("config", "seed"), ("config",)}
    model = schema["definitions"][type(flow.validate_parameters(deployment["parameters"])["config"]).__name__]
    others = {"synthesis": {"recipe", "generator"}, "study": {"ratios", "budgets"}}
    asked = others.get(flow.name, {"task", "backbone"})
    assert {"runtime", "seed", *asked} <= set(model["properties"])
    assert all(
        {"type", "$ref", "anyOf", "oneOf", "enum", "allOf", "const"} & set(field) for field in model["properties"].values()
    )


def test_pull_steps_are_known() -> None:
    for step in DEFINITION["pull"]:
        [name] = step
        assert callable(getattr(steps, name.rpartition(".")[2]))


def _at(config: dict[str, Any], field: tuple[str, ...]) -> Any:
    found: Any = config
    for key in field:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def test_the_configuration_for_slurm_is_one_of_runtime() -> None:
    given = yaml.safe_load((ROOT / "deployments" / "slurm.yaml").read_text(encoding="utf-8"))
    runtime = RuntimeConfig.model_validate(given["runtime"])
    assert runtime.cluster == "dask_jobqueue.SLURMCluster"
    options = runtime.cluster_options
    hours, minutes, _ = map(int, options["walltime"].split(":"))
    lifetime = options["worker_extra_args"][1]
    assert int(lifetime.removesuffix("m")) < 60 * hours + minutes, "a worker that the batch system ends takes its work along"
    assert (options["cores"], options["processes"]) == (1, 1)
