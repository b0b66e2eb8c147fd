"""Prefect's API as a process that ends with the one that started it: `python -m mixval_flows.serving HOST PORT`."""

import sys

import uvicorn

from mixval.models.memory_limit import without_inherited_limit
from mixval_flows.lifeline import end_with_standard_input
from mixval_flows.uncollected import uncollected


def main(host: str, port: str) -> None:
    """Serve until the process is stopped, or its standard input ends."""
    end_with_standard_input()
    without_inherited_limit()
    with uncollected():
        from prefect.server.api.server import create_app
    uvicorn.run(create_app, factory=True, host=host, port=int(port), log_level="error", lifespan="on")


if __name__ == "__main__":
    main(*sys.argv[1:])
