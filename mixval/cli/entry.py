"""The command `mixval`."""

from mixval.cli.app import app
from mixval.cli.leave import leaving_at_once


def main() -> None:
    """Run the command line and leave with its exit code."""
    leaving_at_once(app)
