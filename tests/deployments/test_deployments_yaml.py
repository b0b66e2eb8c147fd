"""`prefect.yaml`: each deployment's entry point loads, and each parameter set is a whole configuration that finds its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.client.schemas.schedules import CronSchedule
from prefect.deployments import steps
from prefect.flows import load_flow_from_entrypoint

from mixval.config.load import PATH_FIELDS, anchor_paths, parse_config_as
from mixval_flows.entry import NO_TELEMETRY
from mixval_flows.registry import FLOWS

ROOT = Path(__file__).parents[2]
DEFINITION = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))
DEPLOYMENTS = DEFINITION["deployments"]
EXAMPLES = {
    "reviews": "reviews/config.yaml",
    "reviews-gate": "reviews/gate.yaml",
    "reviews-weights": "reviews/calibration.yaml",
}
"""Deployment -> the configuration that it deploys."""
WRITTEN = ("output", "inbox", "table", "state")
"""What a run writes, or whoever delivers to it: elsewhere than in the sources."""


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
    assert validated["config"].task == deployment["parameters"]["config"]["task"]


def test_relative_paths_are_there_from_the_working_directory(deployment: dict[str, Any]) -> None:
    config = deployment["parameters"]["config"]
    paths = [_at(config, field) for field in PATH_FIELDS if field[0] not in WRITTEN]
    given = [path for path in paths if path is not None]
    assert len(given) >= (1 if "table" in config else 2)
    assert [path for path in given if not (ROOT / path).exists()] == []


def test_the_example_is_deployed_as_it_is_configured(deployment: dict[str, Any]) -> None:
    flow = FLOWS[load_flow_from_entrypoint(str(ROOT / deployment["entrypoint"])).name]
    example = flow.load_config(ROOT / "examples" / EXAMPLES[deployment["name"]])
    deployed = parse_config_as(type(example), anchor_paths(deployment["parameters"]["config"], ROOT))
    written = {name: getattr(example, name) for name in WRITTEN if hasattr(example, name)}
    assert deployed.model_copy(update=written) == example
    assert not any(getattr(deployed, name) == place for name, place in written.items()), "into the sources"


def test_runs_wait_for_each_other_and_report_to_nobody(deployment: dict[str, Any]) -> None:
    assert deployment["concurrency_limit"] == {"limit": 1, "collision_strategy": "ENQUEUE"}
    assert deployment["work_pool"]["job_variables"]["env"] == NO_TELEMETRY


def test_schedules_are_valid_and_sleep(deployment: dict[str, Any]) -> None:
    for schedule in deployment["schedules"]:
        assert CronSchedule(cron=schedule["cron"], timezone=schedule["timezone"]).cron == schedule["cron"]
        assert schedule["active"] is False


def test_pull_steps_are_known() -> None:
    for step in DEFINITION["pull"]:
        [name] = step
        assert callable(getattr(steps, name.rpartition(".")[2]))


def _at(config: dict[str, Any], field: tuple[str, ...]) -> str | None:
    found: Any = config
    for key in field:
        found = found.get(key) if isinstance(found, dict) else None
    return found
