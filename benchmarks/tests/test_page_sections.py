"""Studies and attacks on the evidence page: read from beside the results, shown whole, and in a browser without a complaint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.evidence import run
from benchmarks.evidence.attacks.results import read_all_attacks, write_attacks
from benchmarks.evidence.attacks.run import figures
from benchmarks.evidence.attacks.section import attack_sections
from benchmarks.evidence.sections import sections
from benchmarks.evidence.stored import Studies, read_evidence, read_studies
from benchmarks.evidence.studies.results import write_study
from benchmarks.tests.planted_studies import HOSTILE, planted_ablation, planted_attacks, planted_stability
from mixval.errors import ContractError
from mixval.evidence.page.render import render_page
from mixval.evidence.results import write_result
from mixval.storage.root import open_location
from tests.browser import complaints, open_page
from tests.cli.command_line import invoke
from tests.evidence.planted_results import planted_worlds

EVERYTHING = Studies([planted_ablation()], [planted_stability("large")], [planted_attacks()])
HEADINGS = ("What matters to", "How few rows give the same ranking", "What cheating gains")
CLIPPED = """
return [...document.querySelectorAll('svg.chart text')].filter(text => {
  const own = text.getBoundingClientRect(), svg = text.ownerSVGElement.getBoundingClientRect();
  return svg.width > 0 && (own.left < svg.left - 1 || own.right > svg.right + 1);
}).map(text => text.textContent)
"""


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """Two worlds with results, one of them with studies, and `large` with a study alone."""
    root = open_location(tmp_path / "all")
    for world in planted_worlds():
        write_result(world, root)
    for study in (*EVERYTHING.ablations, *EVERYTHING.stabilities):
        write_study(study, root)
    write_attacks(planted_attacks(), root.child("pixels"))
    return tmp_path / "all"


def test_what_lies_beside_results_is_read(stored: Path, tmp_path: Path) -> None:
    results, studies = read_evidence([open_location(stored)])
    assert [one.world for one in results] == ["pixels", "words"]
    assert studies == EVERYTHING
    alone = open_location(tmp_path / "alone")
    write_study(planted_stability("large"), alone)
    assert not read_studies(open_location(stored / "words"))
    results, studies = read_evidence([alone, open_location(stored)])
    assert len(results) == 2
    assert [one.world for one in studies.stabilities] == ["large", "large"]
    (tmp_path / "empty").mkdir()
    for folders in ([alone], [open_location(stored), open_location(tmp_path / "empty")]):
        with pytest.raises(ContractError, match=r"expected WORLD/results.json, found none"):
            read_evidence(folders)
    (stored / "words" / "attacks.json").write_text("{}")
    with pytest.raises(ContractError, match="expected results of attacks"):
        read_all_attacks(open_location(stored))


def test_the_page_has_a_section_for_each_and_none_for_nothing() -> None:
    page, bare = render_page(planted_worlds(), sections=sections(EVERYTHING)), render_page(planted_worlds())
    assert page == render_page(planted_worlds(), sections=sections(EVERYTHING))
    for words in HEADINGS:
        assert words in page
        assert words not in bare
    assert bare == render_page(planted_worlds(), sections=sections(Studies()))
    for words in ("knows the truth", "measure it too", "measure the attacks", "nothing notices copy-target-altered"):
        assert words in page
    ids = [part.partition('"')[0] for part in page.split(' id="')[1:]]
    assert len(set(ids)) == len(ids)
    hostile = Studies([planted_ablation(HOSTILE, HOSTILE)], [planted_stability(HOSTILE, HOSTILE)], [planted_attacks(HOSTILE)])
    found = render_page(planted_worlds(), sections=sections(hostile))
    assert "<script" not in found
    assert found.count("<section") == page.count("<section")


def test_of_attacks_the_columns_are_shown_that_somebody_has() -> None:
    [trained], [bare] = ([one.body for one in attack_sections([planted_attacks(n_seeds=n)])] for n in (2, 0))
    for title in ("Truth", "Metric", "Beside the source"):
        assert f"<bdi>{title}</bdi>" in trained
        assert f"<bdi>{title}</bdi>" not in bare
    assert "2 seeds of truth" in trained
    assert "nothing was trained" in bare
    [row] = [row for row in trained.split("<tr")[1:] if "<bdi>copy-target</bdi>" in row]
    numbers = [cell.partition("<")[0] for cell in row.split('<td class="n">')[1:]]
    assert numbers == ["+5.0", "0.0", "0.0", "0.000", "0.000", "rejected"]


def test_the_runner_shows_what_lies_beside_results(stored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = open_location(tmp_path / "other")
    write_study(planted_stability("elsewhere"), other)
    run.main(["--out", str(stored), "--page", str(stored / "page.html"), "--also", str(tmp_path / "other")])
    table = capsys.readouterr().out.partition("page: ")[0]
    page = (stored / "page.html").read_text(encoding="utf-8")
    assert all(words in page for words in HEADINGS)
    assert all(f"<bdi>{world}</bdi>" in page for world in ("large", "elsewhere"))
    said = invoke("evidence", "--results", stored)
    assert said.exit_code == 0, said.output
    assert said.stdout.startswith(table)
    page = (stored / "evidence.html").read_text(encoding="utf-8")
    assert not [words for words in (*HEADINGS, "large") if words in page]


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_a_browser_has_nothing_to_complain_of(browser: Any, tmp_path: Path, width: int, scheme: str) -> None:
    file = tmp_path / "evidence.html"
    file.write_text(render_page(planted_worlds(), sections=sections(EVERYTHING)), encoding="utf-8")
    open_page(browser, file, width, scheme)
    assert complaints(browser, width) == []
    assert browser.execute_script(CLIPPED) == []
    shown = "return [...document.querySelectorAll('svg.chart')].filter(e => e.getBoundingClientRect().width > 300).length"
    assert browser.execute_script(shown) == 5  # cost, two worlds, an ablation, a stability


def test_figures_of_attacks_say_what_the_table_says() -> None:
    found = {one["name"].removeprefix("attacks/pixels/"): one for one in figures(planted_attacks())}
    assert found["copy-target/gain/ntk-regression"]["figure"] == 5
    assert found["copy-target/gain/loss"]["figure"] == 0
    assert found["copy-target-altered/after_gate_gain"]["figure"] == 4
    assert "copy-target/after_gate_gain" not in found  # rejected
    assert [found[f"{name}/works"]["figure"] for name in ("copy-target", "copy-target-altered", "pad-altered")] == [1, 1, 0]
    assert (found["copy-target/noticed_by"]["figure"], found["works"]["figure"], found["unnoticed"]["figure"]) == (2, 2, 1)
    assert {one["command"] for one in found.values()} == {"measure the attacks"}
    untold = planted_attacks(n_seeds=0).model_copy(update={"command": ""})
    bare = figures(untold)
    assert {one["command"] for one in bare} == {"python -m benchmarks.evidence.attacks.run pixels"}
    assert not [one["name"] for one in bare if "truth_gain" in one["name"]]
