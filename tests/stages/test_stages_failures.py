"""What cannot be run is refused in words before a cluster is up: by the plan, or by the gate of a single contributor."""

from __future__ import annotations

import socket
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mixval.config.load import parse_config
from mixval.contracts.outcomes import GateOutcome
from mixval.errors import CapacityError, ConfigError, ContractError, MixvalError, ModelError, StorageError, TargetError
from mixval.stages import gating
from mixval.stages.in_process import prepare_here
from mixval_flows.front import plan_valuation
from tests.worlds import World, planted, rows


@pytest.fixture
def world(tmp_path: Path) -> World:
    return planted(tmp_path, "text-classification")


def refusal(world: World, kind: type[MixvalError], **changes: Any) -> str:
    """What the plan says when it refuses this configuration."""
    with pytest.raises(kind) as caught:
        prepare_here(world.config(**changes))
    assert type(caught.value) is kind
    assert not (world.output / "latest.json").exists()
    return str(caught.value)


def gated(world: World, name: str, **changes: Any) -> GateOutcome:
    """The gate's word on one contributor."""
    config = world.config(**changes)
    prepared = prepare_here(config)
    plan = next(one for one in prepared.plan.contributors if one.name == name)
    return gating.read_outcome(config, gating.gate_contributor(config, plan, prepared.target))


def test_an_empty_target(world: World) -> None:
    world.hold_out([])
    assert "rows were expected, found none" in refusal(world, TargetError)


def test_a_target_without_files(world: World) -> None:
    (world.root / "target" / "part-0.parquet").unlink()
    said = refusal(world, TargetError)
    assert str(world.root / "target") in said
    assert "source.target" in said


def test_a_target_that_is_not_there(world: World) -> None:
    said = refusal(world, StorageError, source={"target": str(world.root / "nowhere")})
    assert str(world.root / "nowhere") in said


def test_a_synthetic_target(world: World) -> None:
    world.hold_out(rows(world.task, 30, start=0, origin="synthetic"))
    assert "real rows only were expected, found 30 synthetic of 30 rows" in refusal(world, TargetError)


def test_rows_of_the_target_at_a_contributor(world: World) -> None:
    world.contribute("copycat", rows(world.task, 20, start=0))
    said = gated(world, "copycat")
    assert said.verdict == "rejected"
    messages = "\n".join(finding.message for finding in said.findings)
    assert "contributor 'copycat'" in messages
    assert "may be in the target set (gate.max_target_overlap_share), found 1" in messages
    assert "20 of 20 rows" in messages


@pytest.mark.parametrize(("policy", "verdict"), [("truncate", "admitted"), ("reject", "rejected")])
def test_rows_longer_than_the_context(world: World, policy: str, verdict: str) -> None:
    content = rows(world.task, 20, start=50_000)
    world.contribute("wordy", [row | {"text": row["text"] * 9} if i < 5 else row for i, row in enumerate(content)])
    said = gated(world, "wordy", backbone={"overlong": policy})
    assert said.verdict == verdict
    assert said.n_truncated == (5 if policy == "truncate" else 0)
    assert "48 tokens" in "\n".join(finding.message for finding in said.findings)


def test_a_model_folder_without_safetensors(world: World) -> None:
    folder = world.root / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "bert"}')
    (folder / "pytorch_model.bin").write_bytes(b"not a model")
    given = world.as_dict() | {"backbone": {"path": str(folder), "tokenizer": "byte"}}
    with pytest.raises(ModelError) as caught:
        plan_valuation(parse_config(given))
    said = str(caught.value)
    assert str(folder) in said
    assert "*.safetensors" in said
    assert "pytorch_model.bin" in said


def test_an_unknown_key_with_the_near_one(world: World) -> None:
    with pytest.raises(ConfigError, match=r"ntk\.sampel: unknown key\. Did you mean `sample`\?"):
        world.config(ntk={"sampel": {"count": 3}})


@pytest.mark.parametrize("field", ["contributors", "target"])
def test_a_bucket_behind_a_closed_port(world: World, field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{probe.getsockname()[1]}"
    said = refusal(world, StorageError, source={field: "s3://bucket/data", "storage": {"endpoint_url": endpoint}})
    assert "s3://bucket/data" in said
    assert "the endpoint cannot be reached" in said
    assert "AWS_ENDPOINT_URL" in said


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/nowhere", "nonsense://x/y"])
def test_a_url_that_leads_nowhere(world: World, url: str) -> None:
    assert url in refusal(world, StorageError, source={"contributors": url})


def test_a_source_without_contributors(world: World) -> None:
    (world.root / "nobody").mkdir()
    said = refusal(world, ContractError, source={"contributors": str(world.root / "nobody")})
    assert "expected one folder a contributor" in said
    assert "found none" in said


def test_a_plan_that_no_worker_can_hold(world: World) -> None:
    said = refusal(world, CapacityError, runtime={"worker_memory_bytes": 2**28})
    assert "0.2 GiB a task" in said
    assert "`runtime.gradient_bytes`" in said


def test_a_budget_that_no_weight_fits(world: World) -> None:
    said = refusal(world, CapacityError, runtime={"gradient_bytes": 1000})
    assert "found 0.0 MiB (`runtime.gradient_bytes`" in said
    assert "Expected at least" in said


def test_a_sketch_whose_coalitions_no_worker_can_hold(world: World) -> None:
    asked = {"ntk": {"method": "sketched", "sketch_features": 8192}, "runtime": {"worker_memory_bytes": 7 * 2**30}}
    said = refusal(world, CapacityError, **asked)
    assert "for sketches of 8,192 features" in said
    assert "`value.coalitions: 0`" in said


def test_a_sketch_keeps_no_rows_to_permute(world: World) -> None:
    with pytest.raises(ConfigError, match="stores sums and no rows"):
        world.config(ntk={"method": "sketched"}, discrepancy={"permutations": 99})
    with pytest.raises(ConfigError, match="stores sums and no rows"):
        world.config(ntk={"method": "sketched"}, discrepancy={"method": "exact"})
    assert world.config(ntk={"method": "sketched"}).discrepancy.method == "random-features"


def test_an_output_that_is_a_file(world: World) -> None:
    world.output.write_text("in the way")
    assert str(world.output) in refusal(world, StorageError)
