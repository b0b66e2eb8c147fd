"""Registration of a configuration of one's own, against a real Prefect API: what is stored runs as configured."""

from __future__ import annotations

import asyncio
import importlib
from pathlib import Path

import pytest
from prefect import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.server.services.scheduler import schedule_deployments
from typer.testing import CliRunner

from deployments.register import DEFAULT_POOL, build_deployment
from flows.__main__ import app
from flows.entry import NO_TELEMETRY, require_api
from mixval.config.load import load_config, parse_config
from mixval.config.valuation import ValuationConfig
from mixval.errors import ConfigError

EXAMPLE = Path(__file__).parents[2] / "examples" / "reviews" / "config.yaml"


@pytest.fixture(scope="module")
def config() -> ValuationConfig:
    return load_config(EXAMPLE)


def test_the_deployment_holds_the_whole_configuration(config: ValuationConfig) -> None:
    made = build_deployment(config, "nightly", cron="15 2 * * *", timezone="Europe/Berlin")
    assert parse_config(made.parameters["config"]) == config
    assert made.work_pool_name == DEFAULT_POOL
    assert made.job_variables == {"env": NO_TELEMETRY}
    [schedule] = made.schedules
    assert (schedule.schedule.cron, schedule.schedule.timezone) == ("15 2 * * *", "Europe/Berlin")


def test_the_worker_finds_the_flow_by_its_module(config: ValuationConfig) -> None:
    module, _, name = str(build_deployment(config, "nightly").entrypoint).rpartition(".")
    assert getattr(importlib.import_module(module), name).name == "valuation"


def test_a_preset_survives_the_journey() -> None:
    given = load_config(EXAMPLE.parents[1] / "images" / "config.yaml").model_dump(mode="json", exclude_unset=True)
    switches = ("value", "discrepancy", "ntk")
    davinz = parse_config({key: value for key, value in given.items() if key not in switches} | {"preset": "davinz"})
    stored = parse_config(build_deployment(davinz, "davinz").parameters["config"])
    assert stored == davinz
    assert (stored.value.weights, stored.discrepancy.bandwidths) == ("davinz", [5.0])


def test_a_secret_is_not_stored(config: ValuationConfig) -> None:
    leaky = config.model_copy(
        update={"runtime": config.runtime.model_copy(update={"cluster_options": {"api_key": "k3y"}})},
    )
    with pytest.raises(ConfigError, match="looks like a secret"):
        build_deployment(leaky, "nightly")


@pytest.mark.usefixtures("prefect_api")
def test_a_cron_deployment_yields_scheduled_runs(config: ValuationConfig) -> None:
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name=DEFAULT_POOL, type="process"))
        made = build_deployment(config, "nightly", cron="15 2 * * *").apply()
        asyncio.run(schedule_deployments())
        stored = client.read_deployment(made)
        runs = client.read_flow_runs(deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[made])))
    assert stored.global_concurrency_limit is not None
    assert stored.global_concurrency_limit.limit == 1
    assert runs
    assert {run.state_name for run in runs} == {"Scheduled"}
    assert {f"{run.expected_start_time:%H:%M}" for run in runs} == {"02:15"}
    assert all(parse_config(run.parameters["config"]) == config for run in runs)


def test_a_schedule_needs_a_server_that_stays() -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings(restore_defaults={PREFECT_API_URL}), pytest.raises(ConfigError, match="prefect server start"):
        require_api("--serve")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["valuation", str(EXAMPLE), "--cron", "15 2 * * *"], 2, "Add --serve"),
        (["valuation", "nowhere.yaml"], 2, "no such file"),
    ],
)
def test_wrong_calls_say_what_to_do(arguments: list[str], code: int, words: str) -> None:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == code
    assert words in done.stderr
