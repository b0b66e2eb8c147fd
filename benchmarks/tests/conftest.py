"""What the laboratory's tests run under: the same as all others (`tests/conftest.py`), whose import sets it up."""

from __future__ import annotations

from tests.conftest import (
    pytest_collection,
    pytest_collection_modifyitems,
    pytest_terminal_summary,
    pytest_xdist_make_scheduler,
)

__all__ = ["pytest_collection", "pytest_collection_modifyitems", "pytest_terminal_summary", "pytest_xdist_make_scheduler"]

pytest_plugins = ["tests.browser"]
