"""Flows by name: `python -m flows valuation CONFIG` runs one under Prefect's own log, `--serve` keeps it on a schedule.

`mixval value` is the same flow with progress and a ranking on the terminal.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.entry import exit_codes, require_api, without_telemetry
from mixval.config.load import load_config
from mixval.config.valuation import ValuationConfig
from mixval.errors import ConfigError

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)


@app.callback()
def main() -> None:
    """Run a flow, or serve it from this process."""
    without_telemetry()


@app.command()
def valuation(
    config: Annotated[Path, typer.Argument(help="A configuration; write one with `mixval init DIR`.", show_default=False)],
    serve: Annotated[bool, typer.Option("--serve", help="Stay, and run when a schedule or somebody asks.")] = False,
    cron: Annotated[str | None, typer.Option(help='Schedule of --serve, e.g. "15 2 * * *".')] = None,
    name: Annotated[str, typer.Option(help="Name of the deployment that --serve makes.")] = "served",
) -> None:
    """Rank the contributors of a configuration; prints the run's summary as JSON."""
    with exit_codes():
        if cron is not None and not serve:
            raise ConfigError("--cron: a schedule needs a process that stays. Add --serve, or see docs/deployment.md.")
        loaded = load_config(config)
        if serve:
            serve_valuation(loaded, name, cron)
        else:
            typer.echo(run_once(loaded))


def run_once(config: ValuationConfig) -> str:
    """The summary, as JSON, of one run on the configured API, else on a temporary one."""
    from flows.api import ApiStart
    from flows.valuation import valuation as flow

    api = ApiStart()
    try:
        with api.ready():
            return flow(config).model_dump_json(indent=2)
    finally:
        api.close()


def serve_valuation(config: ValuationConfig, name: str, cron: str | None) -> None:
    """Serve the flow, one run at a time, until the process is stopped; the deployment is paused then."""
    require_api("--serve")
    from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
    from prefect.types.entrypoint import EntrypointType

    from flows.valuation import valuation as flow
    from mixval.publish.run_manifest import resolved_config

    flow.serve(
        name=name,
        cron=cron,
        parameters={"config": resolved_config(config)},
        global_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE),
        entrypoint_type=EntrypointType.MODULE_PATH,
    )


if __name__ == "__main__":
    app(prog_name="python -m flows")
