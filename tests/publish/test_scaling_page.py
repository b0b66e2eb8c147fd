"""The page of a fit: its marks, that names from outside stay text, and how it looks in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mixval.publish.scaling.curve_chart import magnitude
from mixval.publish.scaling.document import study_document
from mixval.publish.scaling.render import render_study
from mixval.scaling.runs import Runs
from mixval.scaling.studying import study
from tests.browser import complaints, open_page

EVIL = '<script>alert(1)</script>/"ü\u202e$x$'
TOKENS = np.geomspace(1e9, 1e11, 7)
SHOWN = """
const svg = [...document.querySelectorAll('svg[data-chart="curves"]')].find(s => s.getBoundingClientRect().width > 0);
const box = svg.getBoundingClientRect();
return {width: box.width, dots: [...svg.querySelectorAll('g[id]')].filter(g => /-run-\\d/.test(g.id)).map(g => {
  const b = g.getBoundingClientRect(); return b.x >= box.x - 1 && b.right <= box.right + 1 && b.width > 2; })};
"""


@pytest.fixture(scope="module")
def page() -> str:
    draw = np.random.default_rng(0)
    tables = [
        Runs(name, {"tokens": TOKENS}, (2 + at / 10 + 30 / TOKENS**0.2) * np.exp(0.001 * draw.standard_normal(7)), np.arange(7))
        for at, name in enumerate((EVIL, "web", "books"))
    ]
    found = study(tables, n_draws=60)
    return render_study(found, study_document(found, [{"tokens": 2e11}, {"tokens": 1e15}], 4.0, 0), EVIL)


def test_names_from_outside_stay_text(page: str) -> None:
    assert "<script" not in page
    assert "\u202e" not in page
    assert "&lt;script&gt;" in page


def test_every_run_curve_and_limit_is_drawn(page: str) -> None:
    for layout in ("wide", "narrow"):
        ids = [f'id="curves-{layout}-run-{panel}-{at}"' for panel in range(3) for at in range(7)]
        ids += [f'id="curves-{layout}-{mark}-{panel}' for panel in range(3) for mark in ("curve", "band", "beyond")]
        assert [one for one in ids if one not in page] == []
    assert page.count("too far to say") == 3


@pytest.mark.parametrize(("value", "words"), [(1.5e12, "1.5T"), (2e9, "2B"), (1e8, "100M"), (1e3, "1k"), (5.0, "5")])
def test_magnitudes(value: float, words: str) -> None:
    assert magnitude(value) == words


@pytest.mark.browser
@pytest.mark.parametrize("width", [1200, 380])
def test_it_looks_right_in_a_browser(page: str, browser: Any, tmp_path: Path, width: int) -> None:
    file = tmp_path / "page.html"
    file.write_text(page, encoding="utf-8")
    open_page(browser, file, width)
    found = browser.execute_script(SHOWN)
    assert len(found["dots"]) == 21
    assert all(found["dots"])
    assert complaints(browser, width) == []
