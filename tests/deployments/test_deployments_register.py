"""Registration of any flow with a configuration of one's own, against a real Prefect API: what is stored runs as configured."""

from __future__ import annotations

import asyncio
import inspect
import tomllib
from pathlib import Path
from pkgutil import resolve_name

import pytest
import typer
import yaml
from prefect import Flow, get_client
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.flows import load_flow_from_entrypoint
from typer.testing import CliRunner

from mixval.config.load import load_config, parse_config
from mixval.config.valuation import ValuationConfig
from mixval.errors import ConfigError
from mixval_deployments import automations, register
from mixval_deployments.register import DEFAULT_POOL, build_deployment
from mixval_flows.__main__ import app
from mixval_flows.entry import NO_TELEMETRY, require_api
from mixval_flows.registry import FLOWS, RegisteredFlow

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "reviews" / "config.yaml"
VALUATION, CALIBRATION = FLOWS["valuation"], FLOWS["calibration"]


@pytest.fixture(scope="module")
def config() -> ValuationConfig:
    return load_config(EXAMPLE)


@pytest.fixture
def calibration_file(tmp_path: Path) -> Path:
    """The example's configuration with what a calibration adds."""
    given = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8")) | {"test": str(tmp_path / "test"), "seeds": 2}
    del given["value"]
    file = tmp_path / "calibration.yaml"
    file.write_text(yaml.safe_dump(given))
    return file


@pytest.mark.parametrize("flow", FLOWS.values(), ids=list(FLOWS))
def test_every_flow_is_found_by_its_paths_and_takes_its_configuration(flow: RegisteredFlow) -> None:
    loaded = flow.load()
    assert isinstance(loaded, Flow)
    assert loaded.name == flow.name
    [parameter] = inspect.signature(loaded.fn).parameters.values()
    assert parameter.name == "config"
    assert parameter.annotation is resolve_name(flow.config), "Prefect cannot resolve it as text in the process that serves it"
    assert all(callable(resolve_name(path)) for path in (flow.config, flow.front, flow.plan, flow.view) if path is not None)
    assert "runtime" in resolve_name(flow.config).model_fields


def test_the_library_s_command_line_is_told_where_the_flows_are() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert resolve_name(project["entry-points"]["mixval.runners"]["registry"]).FLOWS is FLOWS


def test_the_deployment_holds_the_whole_configuration(config: ValuationConfig) -> None:
    made = build_deployment(VALUATION, config, "nightly", cron="15 2 * * *", timezone="Europe/Berlin")
    assert parse_config(made.parameters["config"]) == config
    assert made.work_pool_name == DEFAULT_POOL
    assert made.job_variables == {"env": NO_TELEMETRY}
    [schedule] = made.schedules
    assert (schedule.schedule.cron, schedule.schedule.timezone) == ("15 2 * * *", "Europe/Berlin")


@pytest.mark.parametrize("flow", FLOWS.values(), ids=list(FLOWS))
def test_the_worker_finds_the_flow_by_its_module_and_the_flow_its_configuration(
    flow: RegisteredFlow, calibration_file: Path
) -> None:
    answers = EXAMPLE.parents[1] / "answers" / "synthesis.yaml"
    files = {"calibration": calibration_file, "ingestion": EXAMPLE.with_name("gate.yaml"), "synthesis": answers}
    files["experiment"] = EXAMPLE.parents[1] / "images" / "phases.yaml"
    files["study"] = EXAMPLE.parents[1] / "mixtures" / "study.yaml"
    given = flow.load_config(files.get(flow.name, EXAMPLE))
    made = build_deployment(flow, given, "nightly")
    found = load_flow_from_entrypoint(str(made.entrypoint))
    assert found.name == made.flow_name == flow.name
    assert found.validate_parameters(made.parameters)["config"] == given
    task = {"synthesis": [], "study": [], "experiment": ["image-classification"]}.get(flow.name, ["text-classification"])
    assert made.tags == ["mixval", *task]


def test_a_preset_survives_the_journey() -> None:
    given = load_config(EXAMPLE.parents[1] / "images" / "config.yaml").model_dump(mode="json", exclude_unset=True)
    switches = ("value", "discrepancy", "ntk")
    davinz = parse_config({key: value for key, value in given.items() if key not in switches} | {"preset": "davinz"})
    stored = parse_config(build_deployment(VALUATION, davinz, "davinz").parameters["config"])
    assert stored == davinz
    assert (stored.value.weights, stored.discrepancy.bandwidths) == ("davinz", [5.0])


def test_a_secret_is_not_stored(config: ValuationConfig) -> None:
    leaky = config.model_copy(
        update={"runtime": config.runtime.model_copy(update={"cluster_options": {"api_key": "k3y"}})},
    )
    with pytest.raises(ConfigError, match="looks like a secret"):
        build_deployment(VALUATION, leaky, "nightly")


def schedule() -> None:
    """What the server's scheduler does every minute. Imported here: it brings the server, which other files do not need."""
    from prefect.server.services.scheduler import schedule_deployments

    asyncio.run(schedule_deployments())


@pytest.mark.usefixtures("prefect_api")
def test_a_cron_deployment_yields_scheduled_runs(config: ValuationConfig) -> None:
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name=DEFAULT_POOL, type="process"))
        made = build_deployment(VALUATION, config, "nightly", cron="15 2 * * *").apply()
        schedule()
        stored = client.read_deployment(made)
        runs = client.read_flow_runs(deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[made])))
    assert stored.global_concurrency_limit is not None
    assert stored.global_concurrency_limit.limit == 1
    assert runs
    assert {run.state_name for run in runs} == {"Scheduled"}
    assert {f"{run.expected_start_time:%H:%M}" for run in runs} == {"02:15"}
    assert all(parse_config(run.parameters["config"]) == config for run in runs)


@pytest.mark.usefixtures("prefect_api")
def test_a_calibration_is_registered_by_the_command_and_its_runs_are_due(calibration_file: Path) -> None:
    with get_client(sync_client=True) as client:
        if DEFAULT_POOL not in {pool.name for pool in client.read_work_pools()}:
            client.create_work_pool(WorkPoolCreate(name=DEFAULT_POOL, type="process"))
        done = CliRunner().invoke(
            register.app, ["calibration", str(calibration_file), "--name", "weekly", "--cron", "15 4 * * 0"]
        )
        assert done.exit_code == 0, done.output
        assert "registered calibration/weekly in pool mixval-local" in done.stdout
        stored = client.read_deployment_by_name("calibration/weekly")
        schedule()
        runs = client.read_flow_runs(deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[stored.id])))
    config = CALIBRATION.load_config(calibration_file)
    assert {run.state_name for run in runs} == {"Scheduled"}
    assert all(CALIBRATION.load().validate_parameters(run.parameters)["config"] == config for run in runs)


@pytest.mark.usefixtures("prefect_api")
def test_a_gate_is_started_by_an_event_in_an_image_and_a_late_run_is_cancelled(tmp_path: Path) -> None:
    made = CliRunner().invoke(
        register.app,
        ["ingestion", str(EXAMPLE.with_name("gate.yaml")), "--name", "gate", "--cron", "*/5 * * * *",
         "--on-event", "mixval.delivery", "--job-variable", "image=registry/mixval:1", "--collision", "CANCEL_NEW"],
    )  # fmt: skip
    assert made.exit_code == 0, made.output
    with get_client(sync_client=True) as client:
        stored = client.read_deployment_by_name("ingestion/gate")
        [automation] = client.read_automations_by_name("ingestion/gate on mixval.delivery")
    assert stored.job_variables["image"] == "registry/mixval:1"
    assert stored.concurrency_options.collision_strategy == "CANCEL_NEW"
    assert automation.trigger.expect == {"mixval.delivery"}
    assert automation.actions[0].deployment_id == stored.id


@pytest.mark.parametrize(("given", "words"), [("image", "expected NAME=VALUE"), ("api_key=k3y", "looks like a secret")])
def test_job_variables_are_names_with_values_and_no_secrets(given: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        register._variables([given])


@pytest.mark.usefixtures("prefect_api")
def test_automations_are_made_once_and_tell_of_bad_ends() -> None:
    with get_client(sync_client=True) as client:
        CustomWebhookNotificationBlock(name="on-call", url="https://example.invalid/hook", method="POST").save(
            "on-call", overwrite=True
        )
        for _ in range(2):
            done = CliRunner().invoke(automations.app, ["--notify", "custom-webhook/on-call"])
            assert done.exit_code == 0, done.output
        [silent], [bad] = (client.read_automations_by_name(name) for name in (automations.ZOMBIES, automations.TOLD))
    assert silent.trigger.posture == "Proactive"
    assert silent.trigger.within == automations.SILENT
    assert silent.actions[0].state == "CRASHED"
    assert bad.trigger.expect == automations.ENDED_BADLY
    assert (bad.actions[0].subject, bad.actions[0].body) == (automations.SUBJECT, automations.BODY)
    for one in (silent, bad):
        assert set(one.trigger.match_related.root["prefect.resource.name"]) == set(FLOWS)


def test_a_schedule_needs_a_server_that_stays() -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings(restore_defaults={PREFECT_API_URL}), pytest.raises(ConfigError, match="prefect server start"):
        require_api("--serve")


@pytest.mark.parametrize("command", [app, register.app], ids=["flows", "register"])
def test_help_lists_the_flows(command: typer.Typer) -> None:
    said = " ".join(CliRunner().invoke(command, ["--help"]).stdout.split())
    for flow in FLOWS.values():
        assert f"{flow.name}: " in said
    assert "fit the weights" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["valuation", str(EXAMPLE), "--cron", "15 2 * * *"], "Add --serve"),
        (["valuation", "nowhere.yaml"], "no such file"),
        (
            ["calibraton", str(EXAMPLE)],
            "found 'calibraton'. Did you mean `calibration`?",
        ),
        (["calibration", str(EXAMPLE)], "test: is missing"),
    ],
)
def test_wrong_calls_say_what_to_do(arguments: list[str], words: str) -> None:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    assert words in done.stderr
