"""The command line in the tests' own process, and a configuration file as a person would write it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from click.testing import Result
from typer.testing import CliRunner

from mixval.cli import app
from tests.worlds import World


def invoke(*arguments: str | Path) -> Result:
    """The command in this process, standard error apart from standard output."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def write(world: World, **changes: Any) -> Path:
    """The world's configuration as a file beside its data, with relative paths as a person would write them."""
    given = world.as_dict(**changes)
    given |= {"source": {"contributors": "source", "target": "target"} | changes.get("source", {}), "output": "out"}
    file = world.root / "mixval.yaml"
    file.write_text(yaml.safe_dump(given))
    return file
