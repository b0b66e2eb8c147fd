"""The command line: `mixval --help`. Imports what is heavy inside commands, so that help and completion stay fast."""

from mixval.cli.app import app

__all__ = ["app"]
