"""Register a deployment of the valuation for a configuration of your own: `python -m deployments.register CONFIG`.

The worker imports the flow by its module, so all it needs is an environment with mixval; paths in the configuration are made
absolute here. `prefect.yaml` does the same for the shipped example, from a checkout.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.entry import NO_TELEMETRY, exit_codes, require_api, without_telemetry
from mixval.config.load import load_config
from mixval.config.valuation import ValuationConfig
from mixval.publish.run_manifest import resolved_config

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment

DEFAULT_POOL = "mixval-local"


def build_deployment(
    config: ValuationConfig, name: str, pool: str = DEFAULT_POOL, cron: str | None = None, timezone: str = "UTC"
) -> RunnerDeployment:
    """The deployment that holds the whole configuration: one run at a time, later ones wait."""
    from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
    from prefect.deployments.runner import RunnerDeployment
    from prefect.schedules import Cron
    from prefect.types.entrypoint import EntrypointType

    from flows.valuation import valuation

    return RunnerDeployment.from_flow(
        valuation,
        name=name,
        schedule=Cron(cron, timezone=timezone) if cron else None,
        parameters={"config": resolved_config(config)},
        work_pool_name=pool,
        job_variables={"env": NO_TELEMETRY},
        concurrency_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE),
        entrypoint_type=EntrypointType.MODULE_PATH,
        tags=["mixval", config.task],
    )


def main(
    config: Annotated[Path, typer.Argument(help="A configuration; write one with `mixval init DIR`.", show_default=False)],
    name: Annotated[str, typer.Option(help="Name of the deployment.")] = "nightly",
    cron: Annotated[str | None, typer.Option(help='Schedule, e.g. "15 2 * * *". None: on demand only.')] = None,
    timezone: Annotated[str, typer.Option(help="Time zone of the schedule.")] = "UTC",
    pool: Annotated[str, typer.Option(help="Work pool, made with `prefect work-pool create`.")] = DEFAULT_POOL,
) -> None:
    """Register a deployment of the valuation on the configured Prefect server."""
    without_telemetry()
    with exit_codes():
        require_api("deployments.register")
        deployment = build_deployment(load_config(config), name, pool, cron, timezone)
        deployment.apply()
        typer.echo(f"registered valuation/{name} in pool {pool}. Run it: prefect deployment run valuation/{name} --watch")


if __name__ == "__main__":
    typer.run(main)
