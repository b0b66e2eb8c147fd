"""Which stored run is meant: by the URL of its folder or of an output, by its id, or by a configuration."""

from __future__ import annotations

import re
from pathlib import Path

from mixval.cli.template import FILE
from mixval.config.load import load_config
from mixval.errors import ConfigError
from mixval.publish.stored_run import StoredRun, open_run_at
from mixval.storage.layout import Layout
from mixval.storage.root import Location, open_location

RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")
CONFIGURATIONS = (".yaml", ".yml")


def find_run(given: str, output: str | None = None) -> StoredRun:
    """The run that `given` names; a run id is looked for below `output`, by default that of ./mixval.yaml.

    Raises:
        ConfigError: there is no such run.
        ContractError: manifest or tables are not as this mixval reads them.
    """
    if given.endswith(CONFIGURATIONS):
        return open_run_at(output_of_config(Path(given)))
    if RUN_ID.fullmatch(given) and not Path(given).exists():
        root = output_given(output)
        folder = Layout(root).run(given)
        if not folder.exists():
            raise ConfigError(
                f"{given}: expected a run below {root.url}, found none of this id. `mixval list {root.url}` lists them."
            )
        return open_run_at(folder)
    return open_run_at(open_location(given))


def output_given(output: str | None) -> Location:
    """The output root at a URL or of a configuration; None: that of ./mixval.yaml. Raises ConfigError where there is none."""
    if output is None:
        if not Path(FILE).exists():
            raise ConfigError(
                f"expected an output to look in, found neither --output nor {FILE} in {Path.cwd()}. Give --output URL, or "
                "the URL of the run."
            )
        return output_of_config(Path(FILE))
    return output_of_config(Path(output)) if output.endswith(CONFIGURATIONS) else open_location(output)


def output_of_config(file: Path) -> Location:
    """The output root of a configuration, opened as it says."""
    config = load_config(file)
    return open_location(config.output, config.source.storage)
