"""`mixval.value`: tables in, the ranking that the same rows as files have, and what can be asked of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import mixval
from mixval.api import tables
from mixval.api.task import task_of
from mixval.config.terms import NtkConfig
from mixval.errors import ConfigError, ContractError, NobodyAdmittedError
from mixval.stages.whole_run import run_here
from mixval.storage.root import open_location
from tests.worlds import BACKBONES, PLANTED, World, planted, rows

TASK = "language-modelling"
OPTIONS: dict[str, Any] = {
    "gate": {"min_rows": 8, "data_docs": False},
    "ntk": {"method": "sketched", "sketch_features": 64},
    "value": {"replicates": 8},
}
STRANGE = "../../<b>no path</b>"


def frames(world: World) -> dict[str, pd.DataFrame]:
    return {name: pq.read_table(world.source / f"contributor={name}" / "part-0.parquet").to_pandas() for name in PLANTED}


def target(world: World) -> pd.DataFrame:
    return pq.read_table(world.root / "target" / "part-0.parquet").to_pandas()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return planted(tmp_path_factory.mktemp("world"), TASK, **OPTIONS)


@pytest.fixture(scope="module")
def result(world: World, tmp_path_factory: pytest.TempPathFactory) -> mixval.ValuationResult:
    """Of tables, one of each kind, under a name that would leave the folder if it were a path."""
    given = frames(world)
    mixed: dict[str, Any] = {
        "near": given["near"],
        "mixed": pa.Table.from_pandas(given["mixed"], preserve_index=False),
        STRANGE: world.source / "contributor=far",
    }
    output = tmp_path_factory.mktemp("output") / "below"
    return mixval.value(mixed, target(world).drop(columns="origin"), BACKBONES[TASK], output=output, **OPTIONS)


def values(found: mixval.ValuationResult) -> dict[str, float]:
    return dict(zip(found.ranking["contributor"], found.ranking["value"], strict=True))


def test_tables_have_the_values_of_the_same_rows_as_files(world: World, result: mixval.ValuationResult) -> None:
    of_files = values(mixval.open_result(run_here(world.config(value={"method": "ntk-regression", "replicates": 8})).url))
    of_tables = values(result)
    assert of_tables.keys() == {"near", "mixed", STRANGE}
    for name, expected in of_files.items():
        assert of_tables[STRANGE if name == "far" else name] == pytest.approx(expected, abs=1e-9)


def test_nothing_is_written_beside_the_output_whatever_the_names_are(result: mixval.ValuationResult) -> None:
    output = Path(result.url.removeprefix("file://")).parents[1]
    assert [path.name for path in output.parent.iterdir()] == ["below"]
    assert {path.name for path in output.iterdir()} >= {"inputs", "runs", "artifacts", "latest.json"}
    assert not [path for path in output.rglob("*") if "no path" in path.name]


def test_a_second_call_finds_the_run(world: World, result: mixval.ValuationResult) -> None:
    output = Path(result.url.removeprefix("file://")).parents[1]
    given: dict[str, Any] = frames(world) | {STRANGE: world.source / "contributor=far"}
    del given["far"]
    settings = OPTIONS | {"ntk": NtkConfig(method="sketched", sketch_features=64)}
    again = mixval.value(given, target(world).drop(columns="origin"), BACKBONES[TASK], output=str(output), **settings)
    assert again.url == result.url


def test_the_result_answers(result: mixval.ValuationResult, tmp_path: Path) -> None:
    assert isinstance(result.ranking, pd.DataFrame)
    assert list(result.ranking["rank"]) == [1, 2, 3]
    assert result.rejected.empty
    assert {warning.kind for warning in result.warnings} >= {"few-contributors"}
    found = result.explain("near")
    assert found.contributor == "near"
    assert str(found).startswith(f"near: {found.verdict}: ")
    copy = result.report(tmp_path / "new" / "report.html")
    assert Path(copy).read_text(encoding="utf-8").startswith("<!doctype html>")
    assert result.report().endswith("/report.html")
    assert result.config["task"] == TASK
    page = result._repr_html_()
    assert "<b>no path" not in page
    assert "&lt;b&gt;no path" in page
    assert "near" in repr(result)
    with pytest.raises(ConfigError, match="Did you mean 'near'"):
        result.explain("neer")


def test_coalitions_come_with_the_default_method(result: mixval.ValuationResult) -> None:
    assert result.coalitions is not None
    assert set(result.coalitions["contributor"]) == {"near", "mixed", STRANGE}
    assert result.redundancy is not None
    assert len(result.redundancy) == 3


def test_any_union_has_its_value_from_what_is_stored(result: mixval.ValuationResult) -> None:
    assert result.coalitions is not None
    alone = dict(zip(result.coalitions["contributor"], result.coalitions["alone"], strict=True))
    for name, expected in alone.items():
        assert result.value_of([name]) == result.value_of(name) == pytest.approx(expected, rel=1e-12)
    order = result.coalitions.sort_values("greedy_step")
    assert result.value_of([*alone]) == pytest.approx(order["greedy_value"].iloc[-1], rel=1e-9)
    assert result.value_of(list(order["contributor"][:2])) == pytest.approx(order["greedy_value"].iloc[1], rel=1e-9)
    with pytest.raises(ConfigError, match="expected contributors that are ranked, found 'neer'"):
        result.value_of(["neer"])


def test_runs_of_two_outputs_in_one_process_do_not_mix(world: World, tmp_path: Path) -> None:
    """Batches of another size round otherwise, under the same fingerprints: nothing of one output may serve the other."""
    given, found = frames(world)["near"], []
    for batch_rows in (40, 7):
        options = OPTIONS | {"runtime": {"batch_rows": batch_rows}}
        result = mixval.value({"near": given}, target(world), BACKBONES[TASK], output=tmp_path / str(batch_rows), **options)
        found.append(result.ranking["value"][0])
    assert found[0] == pytest.approx(found[1], abs=1e-5)  # float32 passes


def test_a_temporary_output_goes_with_the_result(world: World) -> None:
    given = frames(world)
    found = mixval.value({"near": given["near"]}, target(world), BACKBONES[TASK], **(OPTIONS | {"ntk": {"method": "exact"}}))
    folder = Path(found.url.removeprefix("file://"))
    assert folder.is_dir()
    assert found.coalitions is None
    with pytest.raises(ConfigError, match=r"ntk\.method: exact"):
        found.value_of("near")
    del found
    assert not folder.exists()


def test_rows_of_which_nobody_is_admitted_leave_nothing_behind(world: World, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    few = frames(world)["near"].head(5)
    with pytest.raises(NobodyAdmittedError):
        mixval.value({"few": few}, target(world), BACKBONES[TASK], **OPTIONS)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"contributors": 3}, "contributors: expected a mapping of name to table or URL, or one URL, found int"),
        ({"contributors": {"a": 3}}, "contributor 'a': expected a pandas, polars or pyarrow table.* found int"),
        ({"contributors": {}}, "contributors: expected at least one, found none"),
        (
            {"contributors": {"a": pd.Series(["x"])}},
            "contributor 'a': expected a pandas, polars or pyarrow table.* found Series",
        ),
        ({"contributors": {"a": pa.chunked_array([["x"]])}}, "contributor 'a': expected .* found ChunkedArray"),
        ({"contributors": {" ": "x"}}, "expected a name, text that is not blank"),
        ({"target": ["x"]}, "target: expected a pandas.* found list"),
        ({"task": "poetry"}, "expected one of image-classification"),
        ({"ntk": {"dampin": 1}}, r"mixval.value: 1 problem\(s\)\n  ntk.dampin: unknown key. Did you mean `damping`"),
        ({"sample": 400}, "sample: expected the section's fields by name, found int"),
        ({"origin": {"who": "real"}}, "origin: expected names of contributors that are given as tables, found who"),
        ({"origin": {"a": "fake"}}, "origin: expected real or synthetic for"),
        ({"origin": {"a": "real"}}, "origin: the tables of a have a column 'origin' themselves"),
        ({"transform": len}, "objects go with an own module"),
        ({"backbone": 3}, "expected a folder, a hub name, a section .* found int"),
        ({"storage": {"credentials_block": "x"}}, "credentials_block: expected credentials in the environment"),
    ],
)
def test_what_cannot_be_used_is_named(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    few = pd.DataFrame(rows(TASK, 9, 0))
    given: dict[str, Any] = {"contributors": {"a": few}, "target": few, "backbone": BACKBONES[TASK], "output": tmp_path}
    with pytest.raises(ConfigError, match=words):
        mixval.value(**(given | changes))


def test_a_column_under_another_name_is_named_among_those_that_there_are(world: World, tmp_path: Path) -> None:
    few = frames(world)["near"].rename(columns={"text": "review"}).assign(stars=3)
    with pytest.raises(NobodyAdmittedError, match=r"column 'text' is expected once, found origin, review, stars\."):
        mixval.value({"a": few}, target(world), BACKBONES[TASK], output=tmp_path, **OPTIONS)


def test_a_target_without_labels_is_no_reason_to_value_another_task(tmp_path: Path) -> None:
    labelled = pd.DataFrame(rows("text-classification", 9, 0))
    with pytest.raises(ConfigError, match=r"of language-modelling, and contributor 'a' .* text-classification\. Add 'label'"):
        mixval.value({"a": labelled}, labelled.drop(columns="label"), BACKBONES[TASK], output=tmp_path)


def test_tables_without_an_origin_say_how_to_tell_it(tmp_path: Path) -> None:
    few = pd.DataFrame(rows(TASK, 9, 0)).drop(columns="origin")
    with pytest.raises(ConfigError, match=r"origin: expected a column 'origin' .* a have none.*origin=.real"):
        mixval.value({"a": few}, few, BACKBONES[TASK], output=tmp_path)


def test_an_empty_table_and_a_column_of_several_types_are_named(tmp_path: Path) -> None:
    few = pd.DataFrame(rows(TASK, 9, 0))
    with pytest.raises(ContractError, match="contributor 'a': expected a table with rows, found none"):
        mixval.value({"a": few.head(0)}, few, BACKBONES[TASK], output=tmp_path)
    broken = few.assign(text=[object() for _ in range(9)])
    with pytest.raises(ContractError, match=r"contributor 'a': expected columns \(text, origin\) that Arrow can hold"):
        mixval.value({"a": broken}, few, BACKBONES[TASK], output=tmp_path)


@pytest.mark.parametrize(
    ("columns", "mapped", "task"),
    [
        (["image", "label", "origin"], {}, "image-classification"),
        (["text", "label", "source"], {}, "text-classification"),
        (["prompt", "response"], {}, "instruction"),
        (["text", "origin"], {}, "language-modelling"),
        (["review", "stars"], {"text": "review", "label": "stars"}, "text-classification"),
        (["conversation"], {"messages": "conversation"}, "instruction"),
        (["instruction", "input", "output"], {"prompt": ["instruction", "input"], "response": "output"}, "instruction"),
    ],
)
def test_the_columns_tell_the_task(columns: list[str], mapped: dict[str, Any], task: str) -> None:
    assert task_of(columns, mapped, "task") == task


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (["prompt", "response", "text", "label"], "found those of text-classification and of instruction"),
        (["image", "label", "text"], "found those of image-classification and of text-classification"),
        (["review"], "found review. Give `task`, or map the columns"),
    ],
)
def test_columns_of_no_task_or_of_two_are_refused(columns: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        task_of(columns, {}, "task")


def test_a_large_table_is_written_in_shards_of_bounded_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "SHARD_BYTES", 2_000)
    table = pa.table({"text": [f"row {i:04d} of many" for i in range(500)], "kept out": range(500)})
    folder = Path(tables.write_shards(table, ["text"], open_location(tmp_path), "here").removeprefix("file://"))
    files = sorted(folder.iterdir())
    assert 3 < len(files) < 30
    read = [pq.read_table(file) for file in files]
    assert pa.concat_tables(read)["text"].to_pylist() == table["text"].to_pylist()
    assert read[0].column_names == ["text"]
    assert max(one.nbytes for one in read) < 2_500
    again = tables.write_shards(table.combine_chunks(), ["text"], open_location(tmp_path), "here")
    assert again.endswith(folder.name)


def test_importing_mixval_is_light() -> None:
    code = (
        "import sys, mixval; dir(mixval); heavy = {'torch', 'prefect', 'pandas', 'pyarrow', 'transformers'} & set(sys.modules);"
        "sys.exit(repr(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = mixval.nothing  # type: ignore[attr-defined]
