"""Commands of a gate in front of a table: run it, ask why, and say what becomes of what waits."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mixval.cli.exits import errors_shown
from mixval.cli.flows import run_flow
from mixval.cli.options import Json, Settings, changes_of
from mixval.config.overrides import Override
from mixval.errors import ConfigError

if TYPE_CHECKING:
    from mixval.config.ingestion import IngestionConfig
    from mixval.stages.quarantine import Word
    from mixval.storage.root import Location

GateFile = Annotated[
    Path, typer.Argument(help="A gate's configuration; write one with `mixval init DIR --gate`.", show_default=False)
]
Which = Annotated[
    str,
    typer.Argument(metavar="DELIVERY", help="Its path below the inbox, or the first digits of its digest.", show_default=False),
]
Why = Annotated[str, typer.Option("--why", help="The reason, which the ledger keeps.", show_default=False)]

quarantine = typer.Typer(
    no_args_is_help=True, help="What waits in front of a table: list it, decide it anew, take it in, or give it up."
)


def gate(
    config: GateFile,
    explain: Annotated[
        str | None,
        typer.Option(
            metavar="DELIVERY",
            help="Run nothing; say which rule decided on this delivery, with its numbers: by its path below the inbox, or the "
            "first digits of its digest.",
            show_default=False,
        ),
    ] = None,
    shadow: Annotated[bool, typer.Option("--shadow", help="Decide and report, and append nothing.")] = False,
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    """Take what lies in an inbox once: value each delivery given what the table holds, and accept, quarantine or reject it.

    Exit code 0 where everything was accepted, or nothing lies there; 3 where something waits in quarantine, was rejected, or
    could not be decided.
    """
    with errors_shown(as_json):
        changes = changes_of(settings, None)
        if explain is not None:
            print_explanation(config, explain, changes, as_json)
            return
        changes += [Override(("policy", "shadow"), True)] if shadow else []
        sys.exit(run_flow("ingestion", config, as_json, changes))


def print_explanation(config: Path, delivery: str, changes: Sequence[Override], as_json: bool) -> None:
    """Print which rule decided on a delivery."""
    from mixval.cli.gate_view import explained
    from mixval.stages.quarantine import decision_on

    found = decision_on(_loaded(config, changes), delivery)
    typer.echo(found.model_dump_json(indent=2) if as_json else explained(found))


def history(
    source: Annotated[
        str,
        typer.Argument(
            help="A valuation's output or configuration; or a gate's configuration, or the URL of its table of decisions "
            "(STATE/tables/decisions).",
            show_default=False,
        ),
    ],
    file: Annotated[Path, typer.Option("--file", help="Where to write the page.")] = Path("history.html"),
    as_json: Json = False,
) -> None:
    """Draw what runs have said over time as one HTML file: each contributor's value with its interval and verdict, and what
    changed; of a gate, its decisions, with redundancy, drift and rows."""
    with errors_shown(as_json):
        output = _valuations(source)
        if output is not None:
            from mixval.publish.history.values import past_runs, render_values

            page = render_values(past_runs(output), output.url)
        else:
            page = _gate_history(source)
        file.write_text(page, encoding="utf-8")
        typer.echo(json.dumps({"history": str(file)}) if as_json else f"wrote {file}")


def _valuations(source: str) -> Location | None:
    """The output root of valuations at a URL or of a configuration; None where it is a gate's."""
    from mixval.cli.runs import CONFIGURATIONS, output_of_config
    from mixval.config.load import keys_of
    from mixval.storage.root import open_location

    if source.endswith(CONFIGURATIONS):
        return None if "inbox" in keys_of(Path(source)) else output_of_config(Path(source))
    place = open_location(source)
    is_gate = place.child("tables", "decisions").exists()
    return place if place.child("runs").exists() and not is_gate else None


def _gate_history(source: str) -> str:
    from mixval.cli.runs import CONFIGURATIONS
    from mixval.lake.decision_table import decision_table, read_decisions
    from mixval.lake.delta import open_table
    from mixval.publish.gate_page.history import render_history
    from mixval.storage.root import open_location

    if source.endswith(CONFIGURATIONS):
        config = _loaded(Path(source), [])
        return render_history(read_decisions(table := decision_table(config)), table.url, config.policy.budget)
    below = open_location(source).child("tables", "decisions")
    table = open_table(below.url if below.exists() else source)
    if table.version() is None:
        raise ConfigError(
            f"{table.url}: expected a valuation's output, a configuration, or a gate's table of decisions, found no table. "
            "Give OUTPUT, CONFIG.yaml, or STATE/tables/decisions, which the gate's first run writes."
        )
    return render_history(read_decisions(table), table.url)


@quarantine.command("list")
def list_waiting(config: GateFile, settings: Settings = None, as_json: Json = False) -> None:
    """List what waits in quarantine, with the rule that stopped it."""
    with errors_shown(as_json):
        from mixval.cli.gate_view import waiting_text
        from mixval.stages.quarantine import waiting

        found = waiting(_loaded(config, changes_of(settings, None)))
        if as_json:
            typer.echo(json.dumps([one.model_dump(mode="json") for one in found], indent=2))
        else:
            typer.echo(waiting_text(found))


@quarantine.command()
def replay(config: GateFile, delivery: Which, why: Why, settings: Settings = None, as_json: Json = False) -> None:
    """Have the next run decide a delivery anew, whatever was decided before."""
    _ruled(config, delivery, "replay", why, settings, as_json)


@quarantine.command()
def accept(config: GateFile, delivery: Which, why: Why, settings: Settings = None, as_json: Json = False) -> None:
    """Append a delivery's rows to the table now, whatever the policy says of it."""
    _ruled(config, delivery, "accept", why, settings, as_json)


@quarantine.command()
def discard(config: GateFile, delivery: Which, why: Why, settings: Settings = None, as_json: Json = False) -> None:
    """Give a delivery up: it is rejected, and no longer counts as something that waits. Its pinned copy stays."""
    _ruled(config, delivery, "discard", why, settings, as_json)


def _ruled(config: Path, delivery: str, word: Word, why: str, settings: list[str] | None, as_json: bool) -> None:
    with errors_shown(as_json):
        from mixval.cli.gate_view import ruled_text
        from mixval.stages.in_process import InProcess
        from mixval.stages.quarantine import rule_on

        found = rule_on(_loaded(config, changes_of(settings, None)), delivery, word, why, InProcess())
        typer.echo(found.model_dump_json(indent=2) if as_json else ruled_text(found, config))


def _loaded(config: Path, changes: Sequence[Override]) -> IngestionConfig:
    from mixval.config.ingestion import IngestionConfig
    from mixval.config.load import load_config_as

    return load_config_as(IngestionConfig, config, changes)
