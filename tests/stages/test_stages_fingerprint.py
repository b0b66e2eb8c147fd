"""A run stands only as long as every file that its configuration names by path holds what it held."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from mixval.config.load import load_config
from mixval.config.valuation import ValuationConfig
from mixval.contracts.schemas import SCHEMAS
from mixval.stages.preparing import run_fingerprint
from mixval.storage.listing import list_inputs

REVIEWS = Path(__file__).parents[2] / "examples" / "reviews"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(REVIEWS, tmp_path / "reviews", ignore=shutil.ignore_patterns("out")))


def fingerprint_of(config: ValuationConfig) -> str:
    return run_fingerprint(config, list_inputs(config.source))


def test_a_tokenizer_replaced_in_place_is_another_run(folder: Path) -> None:
    config = load_config(folder / "config.yaml")
    before = fingerprint_of(config)
    assert fingerprint_of(config) == before
    tokenizer = folder / "tokenizer" / "tokenizer.json"
    tokenizer.write_text(json.dumps(json.loads(tokenizer.read_text(encoding="utf-8")), indent=3), encoding="utf-8")
    assert fingerprint_of(config) != before


def test_fitted_weights_replaced_in_place_are_another_run(folder: Path) -> None:
    weights = folder / "weights.json"
    weights.write_text("{}", encoding="utf-8")
    config = load_config(folder / "config.yaml")
    fitted = config.value.model_copy(update={"method": "eq8", "weights": "fitted", "fitted_weights": str(weights)})
    config = config.model_copy(update={"value": fitted})
    before = fingerprint_of(config)
    weights.write_text('{"weights": {}}', encoding="utf-8")
    assert fingerprint_of(config) != before


def test_a_raised_schema_version_is_another_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that `mixval value` publishes again what this mixval would refuse to read."""
    config = load_config(folder / "config.yaml")
    before = fingerprint_of(config)
    for name in ("ranking", "manifest"):
        with monkeypatch.context() as patch:
            patch.setitem(SCHEMAS, name, replace(SCHEMAS[name], version=SCHEMAS[name].version + 1))
            assert fingerprint_of(config) != before
    assert fingerprint_of(config) == before


def test_where_and_how_wide_it_computes_is_the_same_run(folder: Path) -> None:
    config = load_config(folder / "config.yaml")
    elsewhere = config.model_copy(
        update={
            "output": "memory://elsewhere",
            "tables": "s3://elsewhere",
            "runtime": config.runtime.model_copy(update={"workers": 7, "batch_rows": 3}),
        }
    )
    assert fingerprint_of(elsewhere) == fingerprint_of(config)


def test_the_column_that_names_contributors_is_part_of_what_their_rows_are(folder: Path) -> None:
    """In a file of several contributors' rows, digest and value alone do not say whose rows are meant."""
    source = load_config(folder / "config.yaml").source
    by_team, by_owner = (
        source.model_copy(update={"layout": "column", "contributor_column": column}) for column in ("team", "owner")
    )
    assert by_team.naming_key() != by_owner.naming_key()
    assert source.model_copy(update={"contributor_column": "owner"}).naming_key() == source.naming_key() == {}
