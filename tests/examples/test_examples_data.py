"""The shipped examples obey the row contract, hold what their plans and facts say, and stay small."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from mixval.config.load import load_config
from mixval.config.valuation import ValuationConfig
from mixval.contracts.digests import input_digest
from mixval.contracts.parts import PARTS
from mixval.contracts.rows import accepts
from mixval.models.tokenizers import token_counter

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = ("images", "reviews", "answers")
MAX_BYTES = 11_000_000
DEFAULTS = {
    "real_classes": 10,
    "synthetic_classes": 10,
    "generators": [],
    "label_noise": 0.0,
    "wrong_share": 0.0,
    "swapped_share": 0.0,
    "money_only": False,
    "bare_answers": False,
}

Rows = list[dict[str, Any]]


@cache
def _plan(name: str) -> dict[str, Any]:
    plan: dict[str, Any] = yaml.safe_load((EXAMPLES / name / "plan.yaml").read_text(encoding="utf-8"))
    return plan


@cache
def _facts(name: str) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((EXAMPLES / name / "data" / "facts.json").read_text(encoding="utf-8"))
    return facts


@cache
def _config(name: str) -> ValuationConfig:
    return load_config(EXAMPLES / name / "config.yaml")


def _files(name: str) -> list[Path]:
    return sorted((EXAMPLES / name / "data").rglob("*.parquet"))


@cache
def _rows(name: str) -> dict[str, Rows]:
    """Rows by contributor, and the target's under "target"."""
    rows: dict[str, Rows] = {}
    for file in _files(name):
        holder = file.parent.name.removeprefix("contributor=")
        rows.setdefault(holder, []).extend(pq.ParquetFile(file).read().to_pylist())
    return rows


def _wish(name: str, contributor: str) -> dict[str, Any]:
    wish: dict[str, Any] = DEFAULTS | _plan(name)["contributors"][contributor]
    return wish


def _table(name: str) -> dict[str, list[str]]:
    """Cells of the README's table of planted facts, by contributor."""
    text = (EXAMPLES / name / "README.md").read_text(encoding="utf-8")
    lines = text[text.index("| contributor |") :].partition("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: row[1:] for row in cells}


CONTRIBUTORS = [(name, contributor) for name in NAMES for contributor in _plan(name)["contributors"]]


def test_all_examples_together_stay_small() -> None:
    files = [file for file in EXAMPLES.rglob("*") if file.is_file() and not {"out", "__pycache__"} & set(file.parts)]
    assert sum(file.stat().st_size for file in files) < MAX_BYTES


@pytest.mark.parametrize("name", NAMES)
def test_shards_obey_the_row_contract(name: str) -> None:
    for file in _files(name):
        parquet = pq.ParquetFile(file)
        schema = parquet.schema_arrow
        assert schema.names == [*(column.name for column in _config(name).task_spec.columns), "origin", "id"]
        assert all(accepts(column, schema.field(column.name).type) for column in _config(name).task_spec.columns)
        assert parquet.metadata.num_rows < 64 or parquet.num_row_groups > 1
        assert parquet.metadata.row_group(0).column(0).compression == "ZSTD"
        assert all(column.null_count == 0 for column in parquet.read().columns)


@pytest.mark.parametrize("name", NAMES)
def test_no_row_stands_twice(name: str) -> None:
    inputs = _config(name).task_spec.inputs
    rows = [row for held in _rows(name).values() for row in held]
    digests = Counter(input_digest([row[column] for column in inputs]) for row in rows)
    assert max(digests.values()) == 1
    assert len({row["id"] for row in rows}) == len(rows)
    assert all(re.fullmatch(r"[0-9a-f]{16}", row["id"]) for row in rows)
    if name != "images":
        column = "text" if name == "reviews" else "prompt"
        assert len({" ".join(row[column].lower().split()) for row in rows}) == len(rows)


@pytest.mark.parametrize("name", NAMES)
def test_target_is_real_and_balanced(name: str) -> None:
    target, facts = _rows(name)["target"], _facts(name)["target"]
    assert len(target) == facts["n_rows"] == _plan(name)["target"]["rows"]
    assert {row["origin"] for row in target} == {"real"}
    if name != "answers":
        counts = Counter(row["label"] for row in target)
        assert len(set(counts.values())) == 1
        assert facts["label_counts"] == {str(label): n for label, n in counts.items()}


@pytest.mark.parametrize(("name", "contributor"), CONTRIBUTORS)
def test_facts_are_what_the_rows_hold(name: str, contributor: str) -> None:
    rows, facts, wish = _rows(name)[contributor], _facts(name)["contributors"][contributor], _wish(name, contributor)
    origins = Counter(row["origin"] for row in rows)
    assert set(origins) <= set(PARTS)
    assert len(rows) == facts["n_rows"] == wish["rows"] == sum(facts["sources"].values())
    assert origins["real"] == facts["n_real"] == wish["rows"] * wish["real_share"]
    assert facts["real_share"] == wish["real_share"]
    assert wish["generators"] == [] or facts["sources"].keys() >= set(wish["generators"])
    assert len(list((EXAMPLES / name / "data" / "contributors" / f"contributor={contributor}").iterdir())) == wish.get(
        "shards", 1
    )
    if name != "answers":
        assert facts["label_counts"] == {str(k): n for k, n in sorted(Counter(row["label"] for row in rows).items())}


@pytest.mark.parametrize(("name", "contributor"), [pair for pair in CONTRIBUTORS if pair[0] != "answers"])
def test_labels_are_spoilt_as_planned(name: str, contributor: str) -> None:
    rows, wish = _rows(name)[contributor], _wish(name, contributor)
    true_labels = _facts(name)["contributors"][contributor]["true_labels"]
    written = {row["id"]: row["label"] for row in rows}
    assert len(true_labels) == round(wish["label_noise"] * len(rows))
    assert all(written[row] != label for row, label in true_labels.items())
    for part in PARTS:  # true classes are the first k, each as often as the others
        true = Counter(true_labels.get(row["id"], row["label"]) for row in rows if row["origin"] == part)
        n_classes = 2 if name == "reviews" else wish[f"{part}_classes"]
        assert not true or sorted(true) == list(range(n_classes))
        assert not true or max(true.values()) - min(true.values()) <= 1


@pytest.mark.parametrize("contributor", _plan("answers")["contributors"])
def test_answers_are_spoilt_as_planned(contributor: str) -> None:
    rows, wish = _rows("answers")[contributor], _wish("answers", contributor)
    facts = _facts("answers")["contributors"][contributor]
    made = {row["id"] for row in rows if row["origin"] == "synthetic"}
    assert len(facts["wrong"]) == round(wish["wrong_share"] * len(made))
    assert set(facts["wrong"]) <= made
    assert len(facts["swapped"]) == round(wish["swapped_share"] * len(rows))
    assert set(facts["swapped"]) <= {row["id"] for row in rows}
    assert not wish["money_only"] or all("$" in row["prompt"] for row in rows)
    assert not wish["bare_answers"] or all("\n" not in row["response"] for row in rows)
    assert all(row["response"].splitlines()[-1].startswith("#### ") for row in rows)


def test_images_decode_to_32_by_32_pixels() -> None:
    for rows in _rows("images").values():
        for row in rows[:20]:
            with Image.open(io.BytesIO(row["image"])) as image:
                assert (image.format, image.mode, image.size) == ("PNG", "RGB", (32, 32))


def test_case_does_not_give_machine_text_away() -> None:
    assert all(row["text"] == row["text"].lower() for rows in _rows("reviews").values() for row in rows)


@pytest.mark.parametrize("name", NAMES)
def test_pairs_differ_in_one_planted_fact(name: str) -> None:
    assert _facts(name)["pairs"] == _plan(name)["pairs"]
    for pair in _plan(name)["pairs"]:
        better, worse = (_wish(name, pair[key]) | {"shards": 0} for key in ("better", "worse"))
        differing = {key for key in better if better[key] != worse[key]}
        if better["real_share"] == 1 or worse["real_share"] == 1:
            differing.discard("generators")  # who made none of the rows is no difference
        assert differing == {pair["fact"]}, pair


@pytest.mark.parametrize("name", NAMES)
def test_config_reads_every_row_and_cuts_none(name: str) -> None:
    config, sizes = _config(name), [facts["n_rows"] for facts in _facts(name)["contributors"].values()]
    assert config.sample.count == max(sizes)
    assert config.ntk.method == "sketched"  # gradients of all rows that are read
    if name != "images":
        count = token_counter(config.backbone, config.task)
        for file in _files(name):
            assert count(pq.ParquetFile(file).read()).n_tokens.max() <= config.backbone.max_length


@pytest.mark.parametrize(("name", "contributor"), CONTRIBUTORS)
def test_readme_states_the_planted_facts(name: str, contributor: str) -> None:
    facts, table = _facts(name)["contributors"][contributor], _table(name)
    assert table.keys() == _facts(name)["contributors"].keys()
    rows, real_share = table[contributor][:2]
    assert (int(rows), float(real_share)) == (facts["n_rows"], facts["real_share"])
    spoilt = len(facts["true_labels"]) + len(facts["swapped"])
    assert spoilt == 0 or f"{spoilt / facts['n_rows']:.0%}" in " ".join(table[contributor])
