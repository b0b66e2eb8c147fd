"""Register a deployment of a flow for a configuration of your own: `python -m mixval_deployments.register FLOW CONFIG`.

The worker imports the flow by its module, so it only needs an environment with mixval. Paths in the configuration are made
absolute here. `prefect.yaml` does the same for the shipped example, from a checkout.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mixval.cli.options import Settings
from mixval.config.base import FrozenModel
from mixval.config.overrides import overrides
from mixval.errors import ConfigError
from mixval.publish.redaction import publishable
from mixval.publish.run_manifest import resolved_config
from mixval_flows.entry import NO_TELEMETRY, exit_codes, require_api, without_telemetry
from mixval_flows.registry import RegisteredFlow, flow_named, listed_flows

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment

DEFAULT_POOL = "mixval-local"


class Collision(StrEnum):
    """What becomes of a run that is due while another one of the deployment runs."""

    ENQUEUE = "ENQUEUE"
    """It waits."""
    CANCEL_NEW = "CANCEL_NEW"
    """It is cancelled, as when a poll follows in minutes anyway."""


app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)


def build_deployment(
    flow: RegisteredFlow,
    config: FrozenModel,
    name: str,
    pool: str = DEFAULT_POOL,
    cron: str | None = None,
    timezone: str = "UTC",
    event: str | None = None,
    variables: Mapping[str, str] | None = None,
    collision: Collision = Collision.ENQUEUE,
) -> RunnerDeployment:
    """The deployment with the complete configuration, one run at a time. `event`: the name of one that starts a run, too;
    `variables`: of the pool's jobs, such as their image."""
    from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
    from prefect.deployments.runner import RunnerDeployment
    from prefect.events import DeploymentEventTrigger
    from prefect.schedules import Cron
    from prefect.types.entrypoint import EntrypointType

    task = getattr(config, "task", None)
    return RunnerDeployment.from_flow(
        flow.load(),
        name=name,
        schedule=Cron(cron, timezone=timezone) if cron else None,
        parameters={"config": resolved_config(config)},
        work_pool_name=pool,
        job_variables={"env": NO_TELEMETRY, **(variables or {})},
        triggers=[DeploymentEventTrigger(name=f"{flow.name}/{name} on {event}", expect={event})] if event else None,
        concurrency_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy(collision.value)),
        entrypoint_type=EntrypointType.MODULE_PATH,
        tags=["mixval", *([task] if task else [])],
    )


@app.command(help=f"Register a deployment of a flow on the configured Prefect server. {listed_flows()}")
def main(
    flow: Annotated[str, typer.Argument(help="Name of the flow; see above.", show_default=False)],
    config: Annotated[Path, typer.Argument(help="YAML configuration of the flow.", show_default=False)],
    name: Annotated[str, typer.Option(help="Name of the deployment.")] = "nightly",
    cron: Annotated[str | None, typer.Option(help='Schedule, e.g. "15 2 * * *". Default: runs on request only.')] = None,
    timezone: Annotated[str, typer.Option(help="Time zone of the schedule.")] = "UTC",
    settings: Settings = None,
    pool: Annotated[str, typer.Option(help="Work pool, made with `prefect work-pool create`.")] = DEFAULT_POOL,
    event: Annotated[
        str | None, typer.Option("--on-event", help="Event that starts a run, beside the schedule, e.g. mixval.delivery.")
    ] = None,
    variable: Annotated[
        list[str] | None,
        typer.Option(
            "--job-variable", metavar="NAME=VALUE", help="Of the pool's jobs, e.g. image=REGISTRY/mixval:1. Repeatable."
        ),
    ] = None,
    collision: Annotated[
        Collision, typer.Option(help="What becomes of a run that is due while another one runs.")
    ] = Collision.ENQUEUE,
) -> None:
    """Register the deployment and print how to run it."""
    without_telemetry()
    with exit_codes():
        require_api("mixval_deployments.register")
        chosen = flow_named(flow)
        loaded, variables = chosen.load_config(config, overrides(settings or [])), _variables(variable or [])
        build_deployment(chosen, loaded, name, pool, cron, timezone, event, variables, collision).apply()
        typer.echo(f"registered {flow}/{name} in pool {pool}. Run it: prefect deployment run {flow}/{name} --watch")


def _variables(given: list[str]) -> dict[str, str]:
    pairs = [one.partition("=") for one in given]
    if wrong := [name for name, separator, _ in pairs if not separator or not name]:
        raise ConfigError(f"--job-variable: expected NAME=VALUE, found {wrong[0]!r}. Give e.g. image=REGISTRY/mixval:1.")
    return dict(publishable({name: value for name, _, value in pairs}, "--job-variable"))


if __name__ == "__main__":
    app(prog_name="python -m mixval_deployments.register")
