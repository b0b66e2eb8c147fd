"""Files that change between and within the stages of a run: who is concerned fails by name, and nothing false is committed."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.torture.changed_inputs import Scene
from mixval.config.backbone import BackboneConfig
from mixval.errors import ChangedFileError
from mixval.gate.check import GateCheck
from mixval.models.tokenizers import byte_tokenizer
from mixval.stages import gating, resident
from mixval.stages.in_process import gate_prepared, prepare_here, value_gated
from mixval.stages.kept import LastMade
from tests.worlds import LLAMA, planted


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Scene]:
    return cache(lambda route: Scene(tmp_path_factory.mktemp(route), route))


@pytest.mark.parametrize(
    ("route", "moment", "changes"),
    [
        ("exact", "after the plan", {"near": "exchanged", "close": "kept_in_size_and_time", "far": "removed"}),
        ("sketched", "after the gate", {"near": "kept_in_size_and_time", "mixed": "cut", "far": "rewritten"}),
    ],
)
def test_who_changed_fails_by_name_and_is_measured_anew_when_put_back(
    scene: Callable[[str], Scene], route: str, moment: str, changes: dict[str, str]
) -> None:
    assert scene(route).disturbed(moment, changes) == (set(changes), [])


def test_a_target_that_changes_measures_nobody(tmp_path: Path) -> None:
    world = planted(tmp_path, "language-modelling")
    config, file = world.config(), world.root / "target" / "part-0.parquet"
    run = gate_prepared(config, prepare_here(config))
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + b"x")
    with pytest.raises(ChangedFileError, match="as it was listed"):
        value_gated(run)
    assert not (world.output / "artifacts" / "terms").exists()
    file.write_bytes(whole)
    assert len(value_gated(run).values) == 3


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A folder with a small causal model and the byte tokenizer."""
    tokenizer = byte_tokenizer()
    config = LlamaConfig(**LLAMA["settings"], vocab_size=len(tokenizer))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        LlamaForCausalLM(config).save_pretrained(tmp_path / "checkpoint")
    tokenizer.save_pretrained(tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


def altered(file: Path) -> bytes:
    """Another last byte, at the same size; returns what was there."""
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    return whole


def spelled_otherwise(file: Path) -> bytes:
    """Two tokens have changed places; returns what was there."""
    whole = file.read_bytes()
    document = json.loads(whole)
    ids = document["model"]["vocab"]
    ids["a"], ids["b"] = ids["b"], ids["a"]
    file.write_text(json.dumps(document))
    return whole


@pytest.mark.parametrize(("name", "change"), [("model.safetensors", altered), ("tokenizer.json", spelled_otherwise)])
def test_a_checkpoint_that_changes_measures_nobody(
    tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch, name: str, change: Callable[[Path], bytes]
) -> None:
    world = planted(tmp_path, "language-modelling")
    config = world.config().model_copy(update={"backbone": BackboneConfig(path=str(checkpoint), max_length=48)})
    run = gate_prepared(config, prepare_here(config))
    whole = change(checkpoint / name)
    monkeypatch.setattr(resident, "RESIDENT", LastMade())  # as in a worker, which has loaded nothing yet
    with pytest.raises(
        ChangedFileError, match=f"backbone {checkpoint}: expected the files that the plan named by their content"
    ):
        value_gated(run)
    assert not (world.output / "artifacts" / "terms").exists()
    (checkpoint / name).write_bytes(whole)
    assert len(value_gated(run).values) == 3


def test_a_tokenizer_that_changes_within_a_check_fails_that_contributor(
    tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = planted(tmp_path, "language-modelling")
    config = world.config().model_copy(update={"backbone": BackboneConfig(path=str(checkpoint), max_length=48)})
    prepared, check = prepare_here(config), gating.check_contributor

    def while_it_changes(name: str, *arguments: Any, **options: Any) -> GateCheck:
        found = check(name, *arguments, **options)
        if name == "near":
            spelled_otherwise(checkpoint / "tokenizer.json")
        return found

    monkeypatch.setattr(gating, "check_contributor", while_it_changes)
    outcomes = gate_prepared(config, prepared).outcomes
    assert {name: one.verdict for name, one in outcomes.items()} == {"far": "admitted", "mixed": "admitted", "near": "failed"}
    assert "contributor 'near': expected the tokenizer that its check began with" in str(outcomes["near"].reason)


def test_weights_that_change_give_no_value(tmp_path: Path) -> None:
    weights = tmp_path / "weights.json"
    weights.write_text("{}")
    world = planted(tmp_path, "language-modelling")
    config = world.config(value={"weights": "fitted", "fitted_weights": str(weights)})
    run = gate_prepared(config, prepare_here(config))
    altered(weights)
    with pytest.raises(ChangedFileError, match=r"weights\.json: expected .* as it was listed"):
        value_gated(run)
