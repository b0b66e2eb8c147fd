"""`mixval corpus`: from files to numbers, tables and a page, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from mixval.cli.corpus_view import broken
from tests.browser import complaints, open_page
from tests.cli.command_line import invoke
from tests.corpus.files import planted, texts, write


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The planted files."""
    return planted(tmp_path)


def run(data: Path, *more: str | Path) -> dict[str, Any]:
    """The document of a run over both corpora."""
    target, output = data / "target.parquet", data / "out"
    done = invoke("corpus", data / "near", data / "far.parquet", "--target", target, "--output", output, "--json", *more)
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_corpora_are_described_and_compared(data: Path, browser_page: Any) -> None:
    document = run(data)
    by_part = {(one["name"], one["part"]): one for one in document["corpora"]}
    assert list(by_part) == [("target", "all"), ("near", "all"), ("far", "all"), ("far", "real"), ("far", "synthetic")]
    assert by_part["near", "all"]["n_documents"] == 120
    distances = {name: one["targets"]["target"]["kl"] for name, one in by_part.items() if not one["is_target"]}
    assert distances["near", "all"]["high"] < distances["far", "all"]["low"]
    assert distances["far", "real"]["high"] < distances["far", "synthetic"]["low"]
    (shrunk,) = [one for one in document["support"] if one["part"] == "synthetic"]
    assert shrunk["against"] == "real"
    assert shrunk["distinct_2"]["high"] < 0.8
    folder = Path(document["folder"].removeprefix("file://"))
    statistics = pq.read_table(folder / "statistics.parquet").to_pylist()
    zipf = {(one["corpus"], one["part"]): one["value"] for one in statistics if one["statistic"] == "zipf"}
    assert zipf["far", "synthetic"] > zipf["near", "all"] + 0.5
    page = (folder / "report.html").read_text()
    assert "<script" not in page
    assert all(page.count(f'data-chart="{name}"') == 2 for name in ("distance-0", "ranks", "tokens", "losses"))
    browser_page(folder / "report.html")


@pytest.fixture
def browser_page(request: pytest.FixtureRequest) -> Any:
    """What opens a page and holds that it fits a narrow screen, where there is a browser."""
    import shutil

    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        return lambda _file: None
    browser = request.getfixturevalue("browser")

    def look(file: Path) -> None:
        for width in (1280, 390):
            open_page(browser, file, width)
            assert complaints(browser, width) == []

    return look


def test_a_terminal_gets_tables(data: Path) -> None:
    done = invoke("corpus", f"close={data / 'near'}", "--target", data / "target.parquet", "--output", data / "out")
    assert done.exit_code == 0, done.output
    assert "To target: KL and JS" in done.stdout
    assert "close" in done.stdout
    assert "report.html" in done.stdout


@pytest.mark.parametrize("name", ["synthetic: wiki/gpt-3.5/generated_expert", "o" * 50, "openstax/economics"])
def test_names_are_whole_on_a_narrow_terminal(name: str) -> None:
    lines = broken(name, 18)
    assert "".join(lines).replace(" ", "") == name.replace(" ", "")
    assert max(map(len, lines)) <= 18
    assert all(line[-1] in ":/" for line in lines[:-1] if "/" in name)


def test_a_split_by_a_column_gives_a_corpus_each(data: Path) -> None:
    write(data / "far.parquet", body=[*texts(7, 0.8, 30), *texts(8, 1.5, 30)], kind=["wiki"] * 30 + ["web"] * 30)
    write(data / "target.parquet", body=texts(0, 0.8))
    target, more = data / "target.parquet", ("--by", "kind", "--column", "text=body", "--json")
    done = invoke("corpus", data / "far.parquet", "--target", target, "--output", data / "out", *more)
    assert done.exit_code == 0, done.output
    assert [one["name"] for one in json.loads(done.stdout)["corpora"]] == ["target", "far: web", "far: wiki"]


def test_what_is_missing_is_said(data: Path) -> None:
    done = invoke("corpus", data / "near")
    assert done.exit_code == 2
    assert "--target and --output" in done.stderr
    wrong = invoke("corpus", data / "near", "--target", data / "target.parquet", "--output", data, "--reference", "nobody")
    assert wrong.exit_code == 2
    assert "'nobody'" in wrong.stderr
    twice = invoke("corpus", data / "near", data / "near", "--target", data / "target.parquet", "--output", data / "out")
    assert twice.exit_code == 2
    assert "twice" in twice.stderr


def test_the_real_share_of_unlabelled_rows_is_told(data: Path) -> None:
    for name, seed, exponent in (("real", 40, 0.8), ("made", 41, 1.4)):
        write(data / f"{name}.parquet", text=texts(seed, exponent, 200))
    write(data / "asked.parquet", text=[*texts(42, 0.8, 60), *texts(43, 1.4, 60)])
    command = ("origin", data / "asked.parquet", "--real", data / "real.parquet", "--synthetic", data / "made.parquet")
    done = invoke(*command, "--json")
    assert done.exit_code == 0, done.output
    (found,) = json.loads(done.stdout)["contributors"]
    assert found["low"] <= 0.5 <= found["high"]
    assert found["high"] - found["low"] < 0.5
    write(data / "few.parquet", text=texts(44, 1.4, 20))
    few = invoke(*command[:4], "--synthetic", data / "few.parquet")
    assert few.exit_code == 2
    assert "found 20" in few.stderr
