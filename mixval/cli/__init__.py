"""The command line: `mixval --help`. Heavy packages are imported inside commands, so that help and completion stay fast."""

from mixval.cli.app import app

__all__ = ["app"]
