"""A fifth task, by its spec alone: of a known modality it is served, of an unknown one it is refused wherever rows are met."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mixval.cli.template import write_template
from mixval.config.backbone import BackboneConfig
from mixval.config.gate import GateConfig
from mixval.config.load import parse_config
from mixval.config.tasks import TASKS, ContractColumn, ExampleBackbone, Task
from mixval.config.valuation import ValuationConfig
from mixval.contracts.batches import RowBatch
from mixval.contracts.rows import accepts
from mixval.errors import ConfigError
from mixval.gate.derive import derive_rows
from mixval.gate.row_suite import row_checks
from mixval.gate.stream import require_contract
from mixval.models.identity import backbone_identity
from mixval.models.load import load_backbone
from mixval.models.text import TextFamily
from mixval.models.tokenizers import load_tokenizer, token_counter
from mixval.stages.gating import profile
from mixval.storage.listing import list_inputs

TABLES = cast("Task", "table-classification")
CELLS = ContractColumn("cells", "list of numbers", is_input=True, kind="cells", example="cells (list of numbers)")
BERT = {"architecture": "bert", "settings": {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}}
BACKBONE = BackboneConfig.model_validate({"random_init": BERT, "tokenizer": "byte"})
"""Everything that a text model needs: a task of an unknown modality must not be content with it."""
ROWS = pa.table({"cells": [[1.0, 2.0]] * 40, "label": [0, 1] * 20, "origin": ["real"] * 40})
NO_MODALITY = r"task 'table-classification': expected rows of a modality with .* \(image, text\), found 'table'"
NO_KIND = r"column 'cells': expected a kind with .* \(image, label, text, prompt\), found 'cells'"


@pytest.fixture(autouse=True)
def tables(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = replace(
        TASKS["text-classification"],
        name=TABLES,
        modality="table",
        columns=(CELLS, TASKS["text-classification"].columns[1]),
        example_backbone=ExampleBackbone(
            "a table model", "org/tables", "0" * 40, "", "tells nothing", "path: ./my-table-model"
        ),
    )
    monkeypatch.setitem(TASKS, TABLES, spec)


def test_no_backbone_is_made_of_a_text_model() -> None:
    with pytest.raises(ConfigError, match=NO_MODALITY):
        load_backbone(BACKBONE, TABLES, [0, 1])
    with pytest.raises(ConfigError, match=NO_MODALITY):
        backbone_identity(BACKBONE, TABLES, [0, 1])


def test_no_tokenizer_is_given_out() -> None:
    for ask in (load_tokenizer, token_counter):
        with pytest.raises(ConfigError, match="has no tokenizer: expected rows of modality 'text', found 'table'"):
            ask(BACKBONE, TABLES)


def test_the_gate_has_no_contract_for_its_cells() -> None:
    with pytest.raises(ConfigError, match=NO_KIND):
        accepts(CELLS, pa.list_(pa.float64()))
    with pytest.raises(ConfigError, match=NO_KIND):
        require_contract(RowBatch(ROWS, 0, 0), TABLES)
    with pytest.raises(ConfigError, match=NO_KIND):
        row_checks(TABLES, GateConfig())
    with pytest.raises(ConfigError, match=NO_KIND):
        derive_rows(ROWS, TABLES, GateConfig(), None)


def test_a_run_stops_at_the_target(tmp_path: Path) -> None:
    config = _config(tmp_path).model_copy(update={"task": TABLES})
    with pytest.raises(ConfigError, match=NO_KIND):
        profile(config, list_inputs(config.source)[1])


def test_the_template_names_its_rows_and_no_tokenizer(tmp_path: Path) -> None:
    words = write_template(tmp_path, TABLES, is_offline=True).read_text(encoding="utf-8")
    assert "# Rows: cells (list of numbers), label (integer or name), origin (real or synthetic)." in words
    assert "path: ./my-table-model" in words
    assert "tokenizer" not in words
    with pytest.raises(ConfigError, match=r"--task: expected one of .*, found 'speech'"):
        write_template(tmp_path / "other", "speech", is_offline=True)


def test_nothing_learns_a_response_to_an_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TASKS, TABLES, replace(TASKS["image-classification"], name=TABLES, learns="response"))
    with pytest.raises(ConfigError, match="expected image rows of which a backbone learns label, found 'response'"):
        load_backbone(BACKBONE, TABLES, None)


def test_a_new_task_of_texts_needs_its_spec_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TASKS, TABLES, replace(TASKS["text-classification"], name=TABLES, architectures=("bert",)))
    rows = pa.table({"text": ["fine", "poor"], "label": [0, 1], "origin": ["real", "real"]})
    require_contract(RowBatch(rows, 0, 0), TABLES)
    found = derive_rows(rows, TABLES, GateConfig(), token_counter(BACKBONE, TABLES)).frame
    assert found["n_response_tokens"].tolist() == [4, 4]
    assert {check.about for check in row_checks(TABLES, GateConfig(), has_tokens=True)} >= {"text", "label"}
    assert isinstance(load_backbone(BACKBONE, TABLES, [0, 1]).family, TextFamily)


def _config(folder: Path) -> ValuationConfig:
    for place in ("contributors/contributor=a", "target"):
        (folder / place).mkdir(parents=True)
        pq.write_table(ROWS, folder / place / "part-0.parquet")
    given: dict[str, Any] = {
        "task": "text-classification",
        "source": {"contributors": str(folder / "contributors"), "target": str(folder / "target")},
        "output": str(folder / "out"),
        "backbone": BACKBONE.model_dump(),
    }
    return parse_config(given)
