"""`mixval scaling`: from a table alone to numbers, files, a page and advice; what it refuses; that it starts without torch."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mixval.experiments.study.paper import TABLE_4
from tests.cli.command_line import invoke

HEAVY = ("torch", "prefect", "transformers", "pandas", "great_expectations", "mixval.storage", "mixval.stages", "scipy.stats")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three mixtures of the paper's Table 4 with 0.1 % noise."""
    draw, lines = np.random.default_rng(0), ["mix,tokens,loss"]
    for name in ("CC", "33TX", "33HQ"):
        scale, exponent, asymptote = TABLE_4[name]
        for tokens in (1, 2, 5, 10, 20, 50, 100, 200):
            loss = (asymptote + scale / tokens**exponent) * np.exp(0.001 * draw.standard_normal())
            lines.append(f"{name},{tokens}B,{loss:.5f}")
    file = tmp_path_factory.mktemp("runs") / "runs.csv"
    file.write_text("\n".join(lines) + "\n")
    return file


NAMES = ("--loss", "loss", "--data", "tokens", "--mixture", "mix", "--draws", "100")


def test_a_fit_prints_numbers_and_plans(table: Path) -> None:
    done = invoke("scaling", "fit", table, *NAMES, "--at-data", "400B")
    assert done.exit_code == 0, done.output
    assert "L(D) = E + B / D^beta" in done.stdout
    assert "33HQ at tokens 4e+11: loss 2.6" in done.stdout
    far = invoke("scaling", "fit", table, *NAMES, "--at-data", "8T")
    assert "too far to say" in far.stdout


def test_a_fit_is_one_document_and_files(table: Path, tmp_path: Path) -> None:
    output, page = tmp_path / "fit.csv", tmp_path / "fit.html"
    done = invoke("scaling", "fit", table, *NAMES, "--at-data", "400B", "--json", "--output", output, "--page", page)
    document = json.loads(done.stdout)
    assert [one["mixture"] for one in document["mixtures"]] == ["CC", "33TX", "33HQ"]
    fitted = document["mixtures"][0]["fitted"]
    assert fitted["E"]["low"] < fitted["E"]["value"] < fitted["E"]["high"]
    assert fitted["E"]["value"] == pytest.approx(TABLE_4["CC"][2], rel=5e-3)
    rows = list(csv.DictReader(output.read_text().splitlines()))
    assert {row["name"] for row in rows} == {"E", "B", "beta", "loss"}
    assert float(rows[0]["value"]) == fitted["E"]["value"]
    text = page.read_text()
    assert "<script" not in text
    assert text.count('data-chart="curves"') == 2
    again = tmp_path / "fit.json"
    invoke("scaling", "fit", table, *NAMES, "--at-data", "400B", "--output", again)
    assert json.loads(again.read_text()) == document


def test_advice_names_the_best_and_where_curves_cross(table: Path) -> None:
    done = invoke("scaling", "advise", table, *NAMES, "--at-data", "100B", "--json")
    document = json.loads(done.stdout)
    assert document["mixtures"][0]["mixture"] == "33HQ"
    assert document["reference"] == "CC"
    place = next(one for one in document["crossings"] if one["above"] == "33TX")
    assert place["low"] < place["tokens"] < place["high"]
    assert place["tokens"] == pytest.approx(21.67e9, rel=0.15)
    shown = invoke("scaling", "advise", table, *NAMES, "--at-data", "100B")
    assert "33TX beyond" in shown.stdout
    assert {one["mixture"]: one["phase"] for one in document["worth"]} == dict.fromkeys(("33TX", "33HQ"), "too far to say")
    assert "33TX: what more of it is worth in CC is too far to say" in " ".join(shown.stdout.split())


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--at-params", "3B"), 2, "has no such input"),
        (("--at-data", "much"), 2, "--at-data: expected a positive number"),
        (("--law", "cubic"), 2, "law: expected auto, data"),
        (("--output", "fit.xlsx"), 2, "expected a file that ends in .json or .csv"),
        (("--unique", "a", "--epochs", "b"), 2, "expected one of them, found both"),
        (("--params", "size"), 4, "found no size"),
    ],
)
def test_what_is_refused(table: Path, options: tuple[str, ...], code: int, words: str) -> None:
    done = invoke("scaling", "fit", table, *NAMES, *options)
    assert done.exit_code == code
    assert words in done.stderr


def test_a_plan_needs_all_inputs(tmp_path: Path) -> None:
    lines = [f"{n}M,{d}B,{2 + 1 / n**0.3 + 1 / d**0.3:.5f}" for n in (100, 200, 400) for d in (1, 2, 4, 8)]
    file = tmp_path / "runs.csv"
    file.write_text("\n".join(["size,data,loss", *lines]))
    common = ("scaling", "fit", file, "--loss", "loss", "--data", "data", "--params", "size", "--draws", "50", "--law", "joint")
    refused = invoke(*common, "--at-data", "16B")
    assert (refused.exit_code, "found no --at-params" in refused.stderr) == (2, True)
    page = tmp_path / "page.html"
    done = invoke(*common, "--at-data", "16B", "--at-params", "800M", "--page", page)
    assert "loss" in done.stdout
    assert page.read_text().count("curve-0-") >= 3


def test_phases_are_printed(tmp_path: Path) -> None:
    done = invoke("scaling", "phases", "--real", "0.0625", "--cut", "70")
    assert "Flattest slope -0.086" in done.stdout
    assert "k^beta = 4900, k^beta / pi = 7.84e+04" in done.stdout
    document = json.loads(
        invoke("scaling", "phases", "--real", "0.1", "--temperature", "0.5", "--at-data", "1e4", "--json").stdout
    )
    assert document["formula"] is None
    assert 0 < document["rows"][0]["error"] < 1
    assert invoke("scaling", "phases", "--real", "0.1").exit_code == 2
    counts = tmp_path / "counts.txt"
    counts.write_text("9\n4\n2\n1\n1\n1\n")
    counted = invoke("scaling", "phases", "--real", "0.1", "--cut", "2", "--counts", counts)
    assert "at least 5 were not seen" in counted.stdout
    assert invoke("scaling", "phases", "--real", "0.1", "--top-p", "0.9", "--counts", counts).exit_code == 2
    counts.write_text("many\n")
    assert invoke("scaling", "phases", "--real", "0.1", "--cut", "2", "--counts", counts).exit_code == 4


def test_it_starts_without_what_it_does_not_need(table: Path) -> None:
    code = (
        "import sys\nfrom mixval.cli import app\n"
        f"sys.argv = ['mixval', 'scaling', 'fit', {str(table)!r}, *{list(NAMES)!r}]\n"
        "try:\n    app()\nexcept SystemExit as left:\n    assert not left.code\n"
        f"heavy = set({HEAVY!r}) & set(sys.modules)\nsys.exit(repr(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
