"""A study in this process: what is trained, kept, refused and drawn."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from mixval.errors import ConfigError, MixvalError
from mixval.experiments.running import publish, run_kind, up_to_date
from mixval.experiments.study.config import StudyConfig
from mixval.experiments.study.evaluated import LOSSES
from mixval.experiments.study.page.render import render_study
from mixval.experiments.study.planning import plan
from mixval.experiments.study.preparing import prepare
from mixval.experiments.study.results import Found, StudySummary
from mixval.experiments.study.whole import STUDY
from mixval.experiments.study.words import cautions, findings
from mixval.stages.in_process import InProcess
from tests.experiments.texts import config_of, write_texts

Ran = tuple[StudyConfig, StudySummary]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A study that begins with one size, and goes on with three."""
    config = config_of(tmp_path_factory.mktemp("study"))
    run_kind(STUDY, config.model_copy(update={"sizes": config.sizes[:1]}), InProcess())
    return config, publish(run_kind(STUDY, config, InProcess()))


def test_only_what_is_new_is_trained(ran: Ran) -> None:
    config, summary = ran
    assert (summary.n_trained, summary.n_found) == (60, 30)  # 5 mixtures, 3 budgets and 2 replicates a size
    again = up_to_date(STUDY, config)
    assert again is not None
    assert (again.run_id, again.n_trained, again.n_found) == (summary.run_id, 0, 90)
    assert up_to_date(STUDY, config.model_copy(update={"seed": 1})) is None


def test_text_of_another_language_does_harm_and_that_is_said(ran: Ran) -> None:
    figures, size = ran[1].figures, ran[1].figures.sizes[-1].name
    near, far = (figures.at[name, 100.0, size, 1024].gap for name in ("near", "far"))
    assert far.low > 1.0
    assert near.high < far.low
    good = next(one for one in figures.good if (one.synthetic, one.size, one.tokens) == ("far", size, 1024))
    assert good.per_cent.high < 100
    said = {one.question: one for one in findings(figures)}
    assert said["far alone against real text"].here.startswith("higher: +")
    assert "By its Table 4, at 1B parameters: +0.942 at 1B tokens, +0.643 at 200B." in said["far alone against real text"].paper
    assert "cannot say" in said["Good ratio of near"].here, "it is as good as real text at any ratio"
    assert said["33 % near against 33 % far"].here.split(":")[0] in {"lower", "cannot say which is lower"}
    assert any("far smaller than the paper's" in line for line in cautions(figures))


def test_what_is_published_adds_up(ran: Ran) -> None:
    config, summary = ran
    folder = Path(config.output) / "runs" / summary.run_id
    assert {one.name for one in folder.iterdir()} == {
        "manifest.json",
        "losses.parquet",
        "runs.csv",
        "results.json",
        "report.html",
    }
    table = pq.read_table(folder / "losses.parquet")
    assert table.schema.equals(LOSSES)
    assert table.num_rows == 90 * 2
    runs = list(csv.DictReader((folder / "runs.csv").read_text().splitlines()))
    assert len(runs) == 90
    means = table.group_by(["synthetic", "per_cent", "size", "tokens", "replicate"]).aggregate([("loss", "mean")])
    assert sorted(float(row["loss"]) for row in runs) == pytest.approx(sorted(means["loss_mean"].to_pylist()), rel=1e-6)
    assert set(table.filter(pc.equal(table["per_cent"], 0.0))["synthetic"].to_pylist()) == {""}
    results = json.loads((folder / "results.json").read_text())
    assert results["formula"] == "L(N, D) = E + A / N^alpha + B / D^beta"
    assert "expected a loss that falls" in results["left_out"]["100 % far"]
    assert results["laws"][0]["mixture"] == "real"


def test_the_page_has_every_chart_twice_and_no_script(ran: Ran) -> None:
    config, summary = ran
    page = (Path(config.output) / "runs" / summary.run_id / "report.html").read_text()
    assert "<script" not in page
    charts = re.findall(r'data-chart="([\w-]+)"', page)
    names = {"ratios", "good", "gaps", "curves-tokens", "curves-params", "asymptotes", "contours"}
    assert {name: charts.count(name) for name in names} == dict.fromkeys(names, 2)
    assert len(re.findall(r'id="ratios-wide-dot-\d+-\d+-\d+"', page)) == 2 * 3 * 3 * 2
    assert "By its Table 4, at 1B parameters" in page


def test_laws_along_data_alone_have_no_chart_along_size(ran: Ran) -> None:
    config, _ = ran
    found = run_kind(STUDY, config.model_copy(update={"sizes": config.sizes[:1]}), InProcess()).found
    assert isinstance(found, Found)
    charts = re.findall(r'data-chart="([\w-]+)"', render_study(found, "run"))
    assert {"curves-tokens", "asymptotes"} <= set(charts)
    assert not {"curves-params", "contours"} & set(charts)


def test_the_plan_counts_operations_tokens_and_passes(ran: Ran) -> None:
    config, _ = ran
    more = config.model_copy(update={"replicates": 3, "tokens_a_day": 1e6})
    found = plan(more, 4)
    assert (found.n_trainings, found.n_found) == (135, 90)
    tokens = 5 * (640 + 768 + 1024)
    assert [one.tokens for one in found.sizes] == [tokens] * 3
    assert found.exaflops == pytest.approx(sum(6 * one.params_with_embedding * tokens for one in found.sizes) / 1e18)
    largest = found.sizes[-1].params_with_embedding
    days = sum(tokens * one.params_with_embedding / largest for one in found.sizes) / 1e6
    assert found.hours == pytest.approx(24 * days / 4)
    assert found.most_epochs["far"] == pytest.approx(1024 / found.tokens["far"], rel=0.05)
    assert not found.is_measured


def test_the_paper_s_speed_gives_its_hours(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    given = {"sizes": ["1B"], "budgets": [15_000_000_000], "replicates": 1, "ratios": [0.0, 100.0], "most_epochs": 1e9}
    large = config.model_copy(update={**given, "tokens_a_day": 15e9})  # on a worker of eight A100
    found = plan(large, 3)
    assert found.hours == pytest.approx(24)  # three trainings side by side
    assert found.sizes[0].exaflops * 1e18 / 3 / 86_400 / 8 == pytest.approx(112e12, rel=0.01)  # of 312e12 that an A100 has


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ratios": [33, 100]}, "in ascending order from 0 to 100"),
        ({"ratios": [0]}, "at least 2 items"),
        ({"sizes": ["1T"]}, "expected 100M, 200M"),
        ({"budgets": [64]}, "expected at least 640 tokens, 10 steps"),
        ({"evaluation_context": 32}, "expected at most `recipe.context`, 16"),
        ({"made_by": {"other": "textbook"}}, "expected names of `synthetic`"),
        ({"budgets": [640, 640]}, "in ascending order"),
    ],
)
def test_what_cannot_be_a_study_is_refused(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config_of(tmp_path, **changes)


def test_texts_that_are_not_there_or_too_short_are_refused(tmp_path: Path) -> None:
    config = config_of(tmp_path, budgets=[6_400], replicates=1, sizes=[{"name": "d4", "dim": 4, "layers": 1, "heads": 1}])
    with pytest.raises(ConfigError, match=r"takes 1.\d\d passes over `\w+`, which has 4,\d\d\d tokens; `most_epochs` is 1"):
        run_kind(STUDY, config, InProcess())
    with pytest.raises(ConfigError, match="takes about"):
        plan(config, 1)
    with pytest.raises(MixvalError, match=r"column.*prose"):
        run_kind(STUDY, config.model_copy(update={"column": "prose"}), InProcess())
    with pytest.raises(MixvalError, match="nothing is there"):
        prepare(config.model_copy(update={"real": str(tmp_path / "nothing")}))
    empty = write_texts(tmp_path / "empty.parquet", "ab", 0, 0)
    with pytest.raises(MixvalError, match="real: expected documents with a text"):
        run_kind(STUDY, config.model_copy(update={"real": empty}), InProcess())


def test_repeated_text_is_told(tmp_path: Path) -> None:
    small = [{"name": "d4", "dim": 4, "layers": 1, "heads": 1, "ffn_multiple": 8}]
    config = config_of(tmp_path, budgets=[6_400], replicates=1, ratios=[0, 100], most_epochs=2, sizes=small)
    figures = publish(run_kind(STUDY, config, InProcess())).figures
    assert figures.most_epochs["near"] > 1
    assert any("times through near" in line for line in cautions(figures))
    assert any("one replicate" in line for line in cautions(figures))
    assert all("one replicate" in one.reason for one in figures.good)
    assert figures.no_law.startswith("a law needs 3 budgets or 3 sizes")
