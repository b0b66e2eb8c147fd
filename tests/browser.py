"""A browser that opens the pages we write, and what it has to complain of. Needs Chromium and its driver (marker `browser`)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars",
)  # fmt: skip
WIDTH = "return Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"
OPEN_ALL = "document.querySelectorAll('details').forEach(d => d.open = true)"


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Headless Chromium with an empty profile, its console and network logged."""
    from selenium import webdriver  # only where a browser is asked for
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = shutil.which("chromium")
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    yield driver
    driver.quit()


def open_page(browser: Any, file: Path, width: int, scheme: str = "light") -> None:
    """Show the file at a width and in a colour scheme, with empty logs."""
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get(file.as_uri())


def complaints(browser: Any, width: int) -> list[str]:
    """Everything unfolded: that the open page is wider than it should be, asks anybody, or has something on its console."""
    browser.execute_script(OPEN_ALL)
    found = [f"{wide} pixels wide"] if (wide := browser.execute_script(WIDTH)) > width else []
    found += [entry["message"] for entry in browser.get_log("browser")]
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    files = [url for url in asked if url.startswith("file://")]
    found += [f"asks for {url}" for url in asked if not url.startswith(("file://", "data:"))]
    return found if len(files) == 1 else [*found, f"{len(files)} files read, not 1"]
