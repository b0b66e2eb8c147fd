"""Flows by name: `python -m mixval_flows FLOW CONFIG` runs one with Prefect's own log, `--serve` serves it on a schedule.

`mixval run FLOW CONFIG` runs the same flow with progress and a readable summary.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mixval.cli.leave import leaving_at_once
from mixval.cli.options import Settings
from mixval.config.base import FrozenModel
from mixval.config.overrides import overrides
from mixval.errors import ConfigError
from mixval_flows.entry import exit_codes, require_api, without_telemetry
from mixval_flows.registry import RegisteredFlow, flow_named, listed_flows

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)


@app.command(help=f"Run a flow and print its summary as JSON, or serve it from this process. {listed_flows()}")
def main(
    flow: Annotated[str, typer.Argument(help="Name of the flow; see above.", show_default=False)],
    config: Annotated[Path, typer.Argument(help="YAML configuration of the flow.", show_default=False)],
    settings: Settings = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="Keep the process running, and start runs on a schedule or on request.")
    ] = False,
    cron: Annotated[str | None, typer.Option(help='Cron schedule of --serve, e.g. "15 2 * * *".')] = None,
    name: Annotated[str, typer.Option(help="Name of the deployment made by --serve.")] = "served",
) -> None:
    """Run or serve the flow."""
    without_telemetry()
    with exit_codes():
        if cron is not None and not serve:
            raise ConfigError("--cron: a schedule needs a process that keeps running. Add --serve, or see docs/deployment.md.")
        chosen = flow_named(flow)
        loaded = chosen.load_config(config, overrides(settings or []))
        if serve:
            serve_flow(chosen, loaded, name, cron)
        else:
            typer.echo(run_once(chosen, loaded))


def run_once(chosen: RegisteredFlow, config: FrozenModel) -> str:
    """The summary, as JSON, of one run on the configured API, else on a temporary one."""
    from mixval_flows.api import ApiStart
    from mixval_flows.outcome import run_to_publication

    api = ApiStart()
    try:
        with api.ready():
            return run_to_publication(chosen.load(), config).model_dump_json(indent=2)
    finally:
        api.close()


def serve_flow(chosen: RegisteredFlow, config: FrozenModel, name: str, cron: str | None) -> None:
    """Serve the flow, one run at a time, until the process is stopped; the deployment is paused then."""
    require_api("--serve")
    from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
    from prefect.types.entrypoint import EntrypointType

    from mixval.publish.run_manifest import resolved_config

    chosen.load().serve(
        name=name,
        cron=cron,
        parameters={"config": resolved_config(config)},
        global_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE),
        entrypoint_type=EntrypointType.MODULE_PATH,
    )


if __name__ == "__main__":
    leaving_at_once(lambda: app(prog_name="python -m mixval_flows"))
