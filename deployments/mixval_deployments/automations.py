"""What Prefect does by itself for mixval's deployments: `python -m mixval_deployments.automations`.

A run of which nothing is heard any more is marked as crashed, so that its place under the concurrency limit is free again; and
somebody is told of runs that end badly. Run it again to replace the automations of these names.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, cast

import typer

from mixval_flows.entry import exit_codes, require_api, without_telemetry
from mixval_flows.registry import FLOWS

if TYPE_CHECKING:
    from prefect.automations import Automation

ZOMBIES, TOLD = "mixval: runs of which nothing is heard", "mixval: runs that end badly"
SILENT = timedelta(seconds=300)
"""Ten heartbeats of the recommended 30 seconds: a flow's process may be busy for longer than one."""
ENDED_BADLY = {"prefect.flow-run.Failed", "prefect.flow-run.Crashed", "prefect.flow-run.TimedOut"}
SUBJECT = "{{ flow.name }}: {{ flow_run.name }} is {{ flow_run.state.name }}"
BODY = (
    "Flow: {{ flow.name }}\nDeployment: {{ deployment.name }}\nRun: {{ flow_run.name }} ({{ flow_run.id }})\n"
    "State: {{ flow_run.state.name }}\nReason: {{ flow_run.state.message }}\nLook: {{ flow_run|ui_url }}"
)
"""What is sent; docs/deployment.md says the same."""

app = typer.Typer(no_args_is_help=False, pretty_exceptions_enable=False, add_completion=False)


def zombies() -> Automation:
    """Marks a run as crashed after `SILENT`. Runs send heartbeats where `PREFECT_FLOWS_HEARTBEAT_FREQUENCY` is set."""
    from prefect.automations import Automation
    from prefect.client.schemas.objects import StateType
    from prefect.events.actions import ChangeFlowRunState
    from prefect.events.schemas.automations import EventTrigger, Posture

    ended = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed")}
    return Automation(
        name=ZOMBIES,
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.heartbeat", *ended},
            match={"prefect.resource.id": "prefect.flow-run.*"},
            match_related=_of_ours(),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=SILENT,
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message=f"nothing was heard of it for {SILENT.seconds} s")],
    )


def told(block: str) -> Automation:
    """Sends `SUBJECT` and `BODY` by the notification block with this id when a run ends badly."""
    from prefect.automations import Automation
    from prefect.events.actions import SendNotification
    from prefect.events.schemas.automations import EventTrigger, Posture

    return Automation(
        name=TOLD,
        trigger=EventTrigger(
            expect=ENDED_BADLY,
            match={"prefect.resource.id": "prefect.flow-run.*"},
            match_related=_of_ours(),
            for_each={"prefect.resource.id"},
            posture=Posture.Reactive,
            threshold=1,
        ),
        actions=[SendNotification(block_document_id=block, subject=SUBJECT, body=BODY)],
    )


def _of_ours() -> dict[str, str | list[str]]:
    return {"prefect.resource.role": "flow", "prefect.resource.name": sorted(FLOWS)}


def replace(wanted: Automation) -> None:
    """Create it in place of those of its name."""
    from prefect import get_client

    with get_client(sync_client=True) as client:
        for old in client.read_automations_by_name(wanted.name):
            client.delete_automation(old.id)
    wanted.create()


@app.command()
def main(
    notify: Annotated[
        str | None,
        typer.Option(help="Notification block, `TYPE/NAME` (e.g. slack-webhook/on-call), that is told of runs that end badly."),
    ] = None,
) -> None:
    """Create the automations on the configured Prefect server."""
    without_telemetry()
    with exit_codes():
        require_api("mixval_deployments.automations")
        made = [zombies()]
        if notify is not None:
            from prefect.blocks.core import Block

            made.append(told(str(cast("Block", Block.load(notify))._block_document_id)))
        for one in made:
            replace(one)
            typer.echo(f"created: {one.name}")


if __name__ == "__main__":
    app(prog_name="python -m mixval_deployments.automations")
