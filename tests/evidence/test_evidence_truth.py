"""Truth: training that learns what can be learned, in the planted order; what was trained once is not trained again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from mixval.config.backbone import BackboneConfig
from mixval.config.tasks import Task
from mixval.errors import ConfigError, ContractError, StorageError
from mixval.evidence.learners import make_learner
from mixval.evidence.recipe import TrainingRecipe
from mixval.evidence.training import evaluate, train
from mixval.evidence.truth import (
    TruthJob,
    agreement,
    leave_one_out,
    read_truth,
    split,
    train_contributor,
    truth_matrix,
    truth_ref,
)
from mixval.models.load import load_backbone
from tests.evidence.planted_tables import N_CLASSES, rows

RESNET = {
    "random_init": {"architecture": "resnet", "settings": {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}},
    "stem": "3x3",
}
TINY = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
FAST = TrainingRecipe(learning_rate=1e-2, batch_rows=32, epochs=4, min_steps=30, max_steps=40, evaluate_every=10)


def lay_out(folder: Path, tables: dict[str, pa.Table]) -> None:
    for name, table in tables.items():
        (folder / name).mkdir(parents=True)
        pq.write_table(table, folder / name / "part-0.parquet")


def job(folder: Path, name: str, seed: int = 0, **changes: Any) -> TruthJob:
    base: dict[str, Any] = {
        "contributor": name,
        "rows": [str(folder / name)],
        "test": str(folder / "test"),
        "output": str(folder / "out"),
        "task": "image-classification",
        "backbone": RESNET,
        "classes": list(range(N_CLASSES)),
        "recipe": FAST,
        "seed": seed,
    }
    return TruthJob.model_validate(base | changes)


def with_wrong_labels(table: pa.Table, share: float) -> pa.Table:
    random = np.random.default_rng(0)
    labels = table["label"].to_numpy().copy()
    wrong = random.permutation(len(labels))[: round(share * len(labels))]
    labels[wrong] = (labels[wrong] + random.integers(1, N_CLASSES, len(wrong))) % N_CLASSES
    return table.set_column(table.column_names.index("label"), "label", pa.array(labels))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three contributors in a planted order, and a test set."""
    folder = tmp_path_factory.mktemp("pictures")
    many = rows("image-classification", "real", 160)
    tables = {"clean": many, "noisy": with_wrong_labels(many, 0.6), "tiny": many.slice(0, 5)}
    lay_out(folder, tables | {"test": rows("image-classification", "held", 80)})
    return folder


def test_training_beats_chance_and_keeps_the_planted_order(pictures: Path) -> None:
    jobs = [job(pictures, name, seed) for name in ("clean", "noisy", "tiny") for seed in range(2)]
    for one in jobs:
        train_contributor(one)
    truth = read_truth(jobs)
    names, metrics = truth_matrix(truth)
    mean = dict(zip(names, metrics.mean(0), strict=True))
    assert mean["clean"] > 0.9  # chance is 0.25
    assert mean["clean"] > mean["noisy"] + 0.1
    assert mean["clean"] > mean["tiny"] + 0.1
    assert agreement(truth).n_seeds == 2
    assert len({tuple(row) for row in metrics.tolist()}) == 2  # seeds differ


def test_what_was_trained_is_not_trained_again(pictures: Path, tmp_path: Path) -> None:
    first = job(pictures, "tiny", seed=7, output=str(tmp_path))
    ref = train_contributor(first)
    created = first.store.committed(ref)
    assert train_contributor(first) == ref
    assert first.store.committed(ref) == created  # its time of creation too
    renamed = tmp_path / "renamed"
    renamed.mkdir()
    (renamed / "other.parquet").write_bytes((pictures / "tiny" / "part-0.parquet").read_bytes())
    assert truth_ref(first.model_copy(update={"contributor": "renamed", "rows": [str(renamed)]})) == ref
    changes: list[dict[str, Any]] = [
        {"seed": 8},
        {"rows": [str(pictures / "clean")]},
        {"test": str(pictures / "clean")},
        {"recipe": FAST.model_copy(update={"learning_rate": 2e-2})},
        {"backbone": BackboneConfig.model_validate({**RESNET, "stem": "original"})},
    ]
    refs = [truth_ref(first.model_copy(update=change)) for change in changes]
    assert len({one.fingerprint for one in [ref, *refs]}) == len(changes) + 1
    with pytest.raises(StorageError, match="seed 8, found none"):
        read_truth([first, first.model_copy(update={"seed": 8})])


def test_the_same_seed_gives_the_same_figures(pictures: Path, tmp_path: Path) -> None:
    figures = []
    for name in ("a", "b"):
        torch.manual_seed(len(figures))  # of no consequence
        one = job(pictures, "tiny", seed=1, output=str(tmp_path / name), recipe=FAST.model_copy(update={"augment": True}))
        train_contributor(one)
        figures.append(read_truth([one]).drop_columns("seconds"))
    assert figures[0].equals(figures[1])


def test_held_back_rows_are_a_share_of_every_label_and_copies_stay_together() -> None:
    table = rows("image-classification", "real", 120)
    table = pa.concat_tables([table, table.slice(0, 60)])
    kept, held = split(table, TrainingRecipe(validation_share=0.2), seed=0)
    names, labels = table["id"].to_pylist(), table["label"].to_numpy()
    assert sorted([*kept, *held]) == list(range(180))
    assert not {names[at] for at in kept} & {names[at] for at in held}
    unique_held = {names[at]: labels[at] for at in held}
    assert np.bincount(list(unique_held.values())).tolist() == [6] * N_CLASSES
    kept, held = split(table.slice(0, 50), TrainingRecipe(validation_share=0.2), seed=0)
    assert (len(kept), len(held)) == (50, 0)


def test_coalitions_leave_one_contributor_out(pictures: Path, tmp_path: Path) -> None:
    jobs = [job(pictures, name, output=str(tmp_path)) for name in ("clean", "noisy", "tiny")]
    coalitions = leave_one_out(jobs)
    assert [one.contributor for one in coalitions] == ["without clean", "without noisy", "without tiny"]
    assert coalitions[1].rows == [str(pictures / "clean"), str(pictures / "tiny")]
    coalition = coalitions[1].model_copy(update={"recipe": FAST.model_copy(update={"min_steps": 1, "max_steps": 2})})
    record = coalition.store.committed(train_contributor(coalition))
    assert record is not None
    assert record.numbers["n_rows"] == 165


@pytest.mark.parametrize("task", ["text-classification", "instruction", "language-modelling"])
def test_text_backbones_learn(task: Task, tmp_path: Path) -> None:
    lay_out(tmp_path, {"all": rows(task, "real", 96), "few": rows(task, "real", 4), "test": rows(task, "real", 24)})
    has_labels = task == "text-classification"
    backbone = {
        "random_init": {"architecture": "bert" if has_labels else "llama", "settings": TINY},
        "tokenizer": "byte",
        "max_length": 64,
    }
    changes = {"task": task, "backbone": backbone, "classes": [0, 1, 2, 3] if has_labels else None}
    jobs = [job(tmp_path, name, **changes) for name in ("all", "few")]
    for one in jobs:
        train_contributor(one)
    truth = read_truth(jobs)
    many, few = truth["loss"].to_pylist()
    assert many < few
    assert many < (np.log(4) if has_labels else np.log(259))
    assert (truth["metric"].to_pylist()[0] == -many) != has_labels


def test_a_frozen_body_gives_the_head_what_a_whole_pass_gives_it(tmp_path: Path) -> None:
    table = rows("text-classification", "real", 48)
    backbone = BackboneConfig.model_validate(
        {"random_init": {"architecture": "bert", "settings": TINY}, "tokenizer": "byte", "max_length": 64}
    )
    module: Any = load_backbone(backbone, "text-classification", [0, 1, 2, 3]).module
    checkpoint = tmp_path / "checkpoint"
    module.save_pretrained(checkpoint, safe_serialization=True)
    saved = BackboneConfig(path=str(checkpoint), tokenizer="byte", max_length=64)
    loaded = load_backbone(saved, "text-classification", [0, 1, 2, 3])
    recipe = FAST.model_copy(update={"trainable": "head", "learning_rate": 0.05})
    head = make_learner(loaded, recipe, seed=5, has_fresh_head=True)
    encoded, batch = head.encode(table), loaded.encode(table)
    before = evaluate(head, encoded).loss
    for _ in range(2):
        with torch.no_grad():
            whole, _ = loaded.losses(loaded.forward(batch), batch)
        torch.testing.assert_close(head.compute(encoded).losses, whole, atol=1e-5, rtol=0)  # float32 logits
        train(head, encoded, None, recipe, seed=5)
    assert evaluate(head, encoded).loss != before
    other = make_learner(load_backbone(saved, "text-classification", [0, 1, 2, 3]), recipe, seed=6, has_fresh_head=True)
    assert evaluate(other, encoded).loss != before  # seeds differ in the head alone
    assert {name for name, parameter in loaded.module.named_parameters() if parameter.requires_grad} == {
        "classifier.weight",
        "classifier.bias",
    }


def test_what_a_frozen_body_gave_is_kept_without_changing_a_figure(tmp_path: Path) -> None:
    backbone = {
        "random_init": {"architecture": "bert", "settings": TINY | {"initializer_range": 0.5}},
        "tokenizer": "byte",
        "max_length": 64,
    }
    module: Any = load_backbone(BackboneConfig.model_validate(backbone), "text-classification", [0, 1, 2, 3]).module
    module.save_pretrained(tmp_path / "checkpoint", safe_serialization=True)
    names = ("one", "two", "test")
    lay_out(tmp_path, {name: rows("text-classification", name, 24) for name in names})
    changes = {
        "task": "text-classification",
        "backbone": {"path": str(tmp_path / "checkpoint"), "tokenizer": "byte", "max_length": 64},
        "recipe": FAST.model_copy(update={"trainable": "head"}),
    }
    figures = []
    for output, order in (("a", [("one", 0), ("one", 1), ("two", 0)]), ("b", [("one", 1), ("two", 0), ("one", 0)])):
        jobs = {(name, seed): job(tmp_path, name, seed, output=str(tmp_path / output), **changes) for name, seed in order}
        for one in jobs.values():
            train_contributor(one)
        figures.append(read_truth([jobs[key] for key in sorted(jobs)]).drop_columns("seconds"))
    assert figures[0].equals(figures[1])
    assert len(set(figures[0]["loss"].to_pylist())) == 3


def test_impossible_trainings_are_refused_in_words(pictures: Path, tmp_path: Path) -> None:
    lay_out(tmp_path, {"one": rows("image-classification", "real", 1), "text": rows("language-modelling", "real", 8)})
    with pytest.raises(ContractError, match="at least 2 rows"):
        train_contributor(job(pictures, "one", rows=[str(tmp_path / "one")], output=str(tmp_path / "out")))
    causal = {"random_init": {"architecture": "llama", "settings": TINY}, "tokenizer": "byte", "max_length": 32}
    for trainable, words in (("head", "needs a classifier"), ("lora", "needs adapters")):
        recipe = FAST.model_copy(update={"trainable": trainable})
        changes = {"task": "language-modelling", "backbone": causal, "classes": None, "recipe": recipe}
        with pytest.raises(ConfigError, match=words):
            train_contributor(job(tmp_path, "text", test=str(tmp_path / "text"), **changes))
    (tmp_path / "empty").mkdir()
    with pytest.raises(StorageError, match="expected data files, found none"):
        train_contributor(job(tmp_path, "empty"))


def test_a_decoder_that_classifies_is_trained_whole_and_its_head_alone_is_refused() -> None:
    given = {"random_init": {"architecture": "llama", "settings": TINY}, "tokenizer": "byte", "max_length": 16}
    backbone = load_backbone(BackboneConfig.model_validate(given), "text-classification", [0, 1])
    texts = pa.table({"text": ["good film", "bad film"] * 8, "label": [1, 0] * 8, "origin": ["real"] * 16})
    learner = make_learner(backbone, FAST, seed=0, has_fresh_head=True)
    data = learner.encode(texts)
    before = evaluate(learner, data)
    train(learner, data, data, FAST, seed=0)
    assert evaluate(learner, data).loss < before.loss / 2
    with pytest.raises(ConfigError, match=r"needs a head that sees one vector a row.*Choose `all` or `lora`"):
        make_learner(backbone, FAST.model_copy(update={"trainable": "head"}), seed=0, has_fresh_head=True).encode(texts)
