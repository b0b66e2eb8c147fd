"""An experiment in this process: what is trained, kept, refused and drawn."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mixval.config.load import parse_config_as
from mixval.errors import ConfigError, ContractError
from mixval.experiments.config import ExperimentConfig
from mixval.experiments.drawn_training import train_drawn
from mixval.experiments.grid import train_all
from mixval.experiments.planning import plan
from mixval.experiments.preparing import prepare
from mixval.experiments.results import BY_CLASS, ExperimentSummary
from mixval.experiments.running import publish, run_kind, up_to_date
from mixval.experiments.whole import PHASES
from mixval.stages.in_process import InProcess
from mixval.stages.steps import Step
from tests.experiments.labelled import WORDS, settings, write_rows


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[ExperimentConfig, ExperimentSummary]:
    """An experiment that begins with a size less, and goes on with all of them."""
    config = ExperimentConfig.model_validate(settings(tmp_path_factory.mktemp("experiment")))
    fewer = config.model_copy(update={"sizes": config.sizes[:-1]})
    PHASES.train(prepare(fewer), InProcess())
    return config, publish(run_kind(PHASES, config, InProcess()))


def test_only_what_is_new_is_trained(ran: tuple[ExperimentConfig, ExperimentSummary]) -> None:
    config, summary = ran
    assert (summary.n_trained, summary.n_found) == (2, 10)
    again = up_to_date(PHASES, config)
    assert again is not None
    assert (again.run_id, again.n_trained, again.n_found) == (summary.run_id, 0, 12)
    assert up_to_date(PHASES, config.model_copy(update={"seed": 1})) is None


def test_more_rows_teach_more_classes(ran: tuple[ExperimentConfig, ExperimentSummary]) -> None:
    figures = ran[1].figures
    balanced, weighted = figures.weightings
    assert figures.classes_drawn == sorted(figures.classes_drawn)
    assert balanced.means[-1] < balanced.means[0] - 0.1
    assert weighted.means[-1] < balanced.means[-1] - 0.1, "the frequent classes are learnt first"
    assert figures.formula == (9.0, 36.0)


def test_what_is_published_adds_up(ran: tuple[ExperimentConfig, ExperimentSummary]) -> None:
    config, summary = ran
    folder = Path(config.output) / "runs" / summary.run_id
    assert {one.name for one in folder.iterdir()} == {"manifest.json", "by_class.parquet", "results.json", "report.html"}
    table = pq.read_table(folder / "by_class.parquet")
    assert table.schema.equals(BY_CLASS)
    drawn = table.group_by(["n_rows", "replicate"]).aggregate([("n_drawn", "sum")]).to_pylist()
    assert {row["n_drawn_sum"] - row["n_rows"] for row in drawn} == {0}
    assert set(table["n_test"].to_pylist()) == {4}
    assert json.loads((folder / "results.json").read_text())["sizes"] == config.sizes


def test_the_page_has_each_number_and_no_script(ran: tuple[ExperimentConfig, ExperimentSummary]) -> None:
    config, summary = ran
    page = (Path(config.output) / "runs" / summary.run_id / "report.html").read_text()
    assert "<script" not in page
    assert len(re.findall(r'data-chart="experiment"', page)) == 2
    assert page.count("-dot-") >= 2 * 2 * 6
    assert "drawn with replacement from 48 different ones" in page
    assert "two deviations of a measured difference" in page


def test_the_plan_counts_what_is_missing(ran: tuple[ExperimentConfig, ExperimentSummary]) -> None:
    config, _ = ran
    more = config.model_copy(update={"replicates": 3})
    found = plan(prepare(more), 2)
    assert (found.n_trainings, found.n_found) == (18, 12)
    # at least 20 steps of 8 rows, fewer where a sample is smaller; 25 of the largest
    assert found.row_passes == 20 * (2 + 4 + 8 + 8 + 8) + 25 * 8
    assert found.teraflops > 0
    assert found.encoded_rows == (2 + 4 + 8 + 16 + 48 + 48) + 6 * 24  # 48 different rows there are
    busy = found.seconds_a_row * found.row_passes + found.seconds_an_encoded_row * found.encoded_rows
    assert found.hours == pytest.approx(busy / 2 / 3600)


def test_what_cannot_be_an_experiment_is_refused(tmp_path: Path) -> None:
    given = settings(tmp_path)
    with pytest.raises(ConfigError, match="less than the 6 classes that the rows have, found 6"):
        prepare(ExperimentConfig.model_validate(given | {"tail": {"cut": 6}}))
    with pytest.raises(ConfigError, match="take 250 steps to be seen once, found 25"):
        parse_config_as(ExperimentConfig, given | {"sizes": [2, 4, 8, 16, 64, 2_000]})
    with pytest.raises(ConfigError, match="ascending order"):
        parse_config_as(ExperimentConfig, given | {"sizes": [2, 4, 4, 16, 64, 200]})
    with pytest.raises(ConfigError, match="one with labels"):
        parse_config_as(ExperimentConfig, given | {"task": "language-modelling"})
    file = write_rows(tmp_path / "fewer" / "part.parquet", 2)
    table = pq.read_table(file)
    pq.write_table(table.slice(0, table.num_rows - 2), file)
    with pytest.raises(ContractError, match=rf"alone: \[{len(WORDS) - 1}\]"):
        prepare(ExperimentConfig.model_validate(given | {"test": str(file.parent)}))


def test_a_training_that_fails_is_told_and_the_others_are_kept(tmp_path: Path) -> None:
    config = ExperimentConfig.model_validate(settings(tmp_path, replicates=1))
    of_one = prepare(config)
    train_drawn(of_one.job(2, 1))
    file = Path(config.urls[0])
    held = file.read_bytes()
    with pytest.raises(ContractError, match=r"expected 6 trainings, found 5 missing; the first that failed: .*Mend the cause"):
        train_all(of_one.steps, Removing(file))
    file.write_bytes(held)
    assert train_all(prepare(config).steps, InProcess()).n_found == 1


class Removing(InProcess):
    """A store in which the rows are gone once the trainings begin."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def make_all(self, stage: str, steps: Sequence[Step]) -> str | None:
        self._file.unlink()
        return super().make_all(stage, steps)
