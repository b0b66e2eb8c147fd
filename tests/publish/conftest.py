"""The run that most tests of this room look at, and a browser that opens its report."""

import shutil

import pytest
from published_run import Results, make_results

from mixval.publish.report.render import render_report

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars",
)  # fmt: skip


@pytest.fixture(scope="session")
def results() -> Results:
    """12 contributors ranked, one rejected, one failed."""
    return make_results()


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
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


@pytest.fixture(scope="session")
def pages(tmp_path_factory):
    """Reports already written, by the name of their first contributor and how many there are."""
    return {"folder": tmp_path_factory.mktemp("reports")}


@pytest.fixture
def show(browser, pages):
    """Write a report and open it at a width and in a colour scheme."""

    def opened(results, width=1280, scheme="light", together=None):
        key = (results.ranking["contributor"][0].as_py(), results.ranking.num_rows, together is not None)
        if key not in pages:
            tables = (results.ranking, results.terms, results.rejected, results.outcomes)
            pages[key] = pages["folder"] / f"report-{len(pages)}.html"
            more = () if together is None else (together.coalitions, together.redundancy)
            pages[key].write_text(render_report(*tables, results.manifest, results.doubts, *more), encoding="utf-8")
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        for log in ("browser", "performance"):
            browser.get_log(log)
        browser.get(pages[key].as_uri())
        return browser

    return opened
