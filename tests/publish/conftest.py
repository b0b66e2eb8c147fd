"""The run that most tests of this room look at, and its report in a browser."""

import pytest
from published_run import Results, make_results

from mixval.publish.report.render import render_report
from tests.browser import open_page


@pytest.fixture(scope="session")
def results() -> Results:
    """12 contributors ranked, one rejected, one failed."""
    return make_results()


@pytest.fixture(scope="session")
def pages(tmp_path_factory):
    """Reports already written, by the name of their first contributor and how many there are."""
    return {"folder": tmp_path_factory.mktemp("reports")}


@pytest.fixture
def show(browser, pages):
    """Write a report and open it at a width and in a colour scheme."""

    def opened(results, width=1280, scheme="light", coalition_results=None):
        key = (results.ranking["contributor"][0].as_py(), results.ranking.num_rows, coalition_results is not None)
        if key not in pages:
            tables = (results.ranking, results.terms, results.rejected, results.outcomes)
            pages[key] = pages["folder"] / f"report-{len(pages)}.html"
            more = () if coalition_results is None else (coalition_results.coalitions, coalition_results.redundancy)
            pages[key].write_text(render_report(*tables, results.manifest, results.warnings, *more), encoding="utf-8")
        open_page(browser, pages[key], width, scheme)
        return browser

    return opened
