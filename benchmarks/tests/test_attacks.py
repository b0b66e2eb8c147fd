"""Attacks: each alters what it says and nothing else, the same for the same seed, and refuses what it cannot see."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image

from benchmarks.evidence.attacks.catalogue import ATTACKS, AttackerView, attack_named, attacks_for
from benchmarks.evidence.attacks.features import RADIUS, WORDS, squared_discrepancy, target_words
from benchmarks.evidence.attacks.inputs import row_names
from benchmarks.evidence.attacks.labels import generated, predicted_labels
from mixval.config.tasks import Task
from mixval.errors import ConfigError
from mixval.evidence.baselines import forward_pass
from mixval.evidence.baselines.inputs import Inputs
from mixval.terms.discrepancy.bandwidth import median_bandwidth
from tests.evidence.planted_contributors import planted_inputs, planted_rows

TASKS: tuple[Task, ...] = ("image-classification", "text-classification", "instruction")


@pytest.fixture(scope="module", params=TASKS)
def inputs(request: pytest.FixtureRequest) -> Inputs:
    return planted_inputs(request.param)


def sight_of(inputs: Inputs) -> AttackerView:
    return AttackerView(inputs.task, inputs.target, planted_rows(inputs.task, "donor", 30), inputs.backbone, batch_rows=16)


def altered(inputs: Inputs, name: str, strength: float | None = None) -> tuple[pa.Table, pa.Table, AttackerView]:
    table, sight = inputs.contributors[1].table, sight_of(inputs)
    return table, ATTACKS[name].apply(table, sight, strength), sight


def losses(inputs: Inputs, table: pa.Table) -> np.ndarray:
    found = forward_pass.run(inputs.backbone, table, 16)
    return found.losses / found.counts


def pixels(table: pa.Table) -> np.ndarray:
    decoded = [np.asarray(Image.open(io.BytesIO(one)).convert("RGB"), dtype=int) for one in table["image"].to_pylist()]
    return np.array(decoded)


def keyed(table: pa.Table, task: Task) -> list[bytes]:
    return sorted(row_names(table, task))


def test_every_attack_keeps_the_columns_and_gives_the_same_rows_for_the_same_seed(inputs: Inputs) -> None:
    table, sight = inputs.contributors[2].table, sight_of(inputs)
    for attack in attacks_for(inputs.task):
        once, again = attack.apply(table, sight, seed=3), attack.apply(table, sight, seed=3)
        assert once.schema.equals(table.schema), attack.name
        assert once.equals(again), attack.name


def test_copies_stand_word_for_word_where_they_came_from(inputs: Inputs) -> None:
    for name, field in (("copy-target", "target"), ("copy-other", "donor")):
        table, after, sight = altered(inputs, name, 0.25)
        n_added = round(0.25 * table.num_rows)
        source = set(row_names(getattr(sight, field), inputs.task))
        added = list(row_names(after, inputs.task))
        for own in row_names(table, inputs.task):
            added.remove(own)
        assert len(added) == n_added, name
        assert set(added) <= source, name


def test_of_the_donor_real_rows_come_first(inputs: Inputs) -> None:
    table, after, _ = altered(inputs, "copy-other", 10 / 64)  # the donor has 15 real rows
    assert after.num_rows == table.num_rows + 10
    assert after["origin"].to_pylist().count("real") == table["origin"].to_pylist().count("real") + 10


def test_altered_copies_hash_differently_and_say_the_same(inputs: Inputs) -> None:
    table, after, sight = altered(inputs, "copy-target-altered", 0.25)
    known = {*row_names(table, inputs.task), *row_names(sight.target, inputs.task)}
    names = row_names(after, inputs.task)
    fresh = after.filter(pa.array([name not in known for name in names]))
    assert fresh.num_rows == round(0.25 * table.num_rows)
    if inputs.task == "image-classification":
        apart = np.abs(pixels(fresh)[:, None] - pixels(sight.target)[None])
        assert (apart.sum((2, 3, 4)).min(1) == 1).all()  # one channel of one pixel, by one level
        return
    name = "prompt" if inputs.task == "instruction" else "text"
    originals = set(sight.target[name].to_pylist())
    for text in fresh[name].to_pylist():
        assert any(text[:at] + text[at + 1 :] in originals for at in range(len(text)))


def test_padding_doubles_and_repeats_every_row_once(inputs: Inputs) -> None:
    table, after, _ = altered(inputs, "pad-duplicates")
    assert keyed(after, inputs.task) == sorted(keyed(table, inputs.task) * 2)
    _, disguised, _ = altered(inputs, "pad-altered")
    fresh = set(row_names(disguised, inputs.task)) - set(row_names(table, inputs.task))
    assert disguised.num_rows == 2 * table.num_rows
    assert len(fresh) > 0.9 * len(set(row_names(table, inputs.task)))


def test_the_hardest_rows_are_left_out(inputs: Inputs) -> None:
    table, after, _ = altered(inputs, "drop-hard", 0.25)
    assert np.allclose(np.sort(losses(inputs, after)), np.sort(losses(inputs, table))[: after.num_rows])
    assert after.num_rows == table.num_rows - round(0.25 * table.num_rows)


def test_only_synthetic_rows_are_declared_real(inputs: Inputs) -> None:
    table, after, _ = altered(inputs, "overstate-real", 0.5)
    assert keyed(after, inputs.task) == keyed(table, inputs.task)
    assert after["origin"].to_pylist().count("synthetic") == table["origin"].to_pylist().count("synthetic") // 2
    assert set(ATTACKS["overstate-real"].apply(table, sight_of(inputs))["origin"].to_pylist()) == {"real"}


def test_only_real_rows_are_declared_synthetic(inputs: Inputs) -> None:
    table, after, _ = altered(inputs, "overstate-synthetic", 0.5)
    assert keyed(after, inputs.task) == keyed(table, inputs.task)
    assert after["origin"].to_pylist().count("real") == table["origin"].to_pylist().count("real") // 2


def test_labels_of_the_model_lower_the_loss_and_softening_touches_the_hardest_rows_alone() -> None:
    inputs = planted_inputs("text-classification")
    table, after, _ = altered(inputs, "model-labels")
    assert after["label"].to_pylist() == predicted_labels(inputs.backbone, after, 16)
    assert losses(inputs, after).mean() < losses(inputs, table).mean()
    _, softened, _ = altered(inputs, "soften-labels", 0.25)
    kept = set(row_names(softened, inputs.task)) & set(row_names(table, inputs.task))
    n_easy = table.num_rows - round(0.25 * table.num_rows)
    names, order = row_names(table, inputs.task), np.argsort(losses(inputs, table), kind="stable")
    assert {names[at] for at in order[:n_easy]} <= kept
    assert losses(inputs, softened).max() < losses(inputs, table).max()


def test_answers_of_the_model_are_its_greedy_ones() -> None:
    inputs = planted_inputs("instruction")
    row = inputs.contributors[0].table.slice(3, 1)
    family: Any = inputs.backbone.family
    tokens = family.tokeniser.conversations(row, family.max_length)[0]
    ids = tokens.ids[: tokens.answer_start]
    module: Any = inputs.backbone.module
    for _ in range(len(tokens.ids) - tokens.answer_start):
        with torch.no_grad():
            ids = [*ids, int(module(input_ids=torch.tensor([ids])).logits[0, -1].argmax())]
        if ids[-1] == family.tokeniser.tokenizer.eos_token_id:
            break
    expected = family.tokeniser.tokenizer.decode(ids[tokens.answer_start :], skip_special_tokens=True).strip()
    assert generated(inputs.backbone, row) == expected


def test_moved_inputs_lie_nearer_to_the_target_and_look_the_same(inputs: Inputs) -> None:
    table, sight = inputs.contributors[2].table, sight_of(inputs)  # `tiny`, which lies far from T
    after = ATTACKS["adversarial-features"].apply(table, sight)
    of_target = torch.from_numpy(forward_pass.run(inputs.backbone, inputs.target, 16).features)
    width = median_bandwidth(of_target.numpy())
    before, moved = (
        float(squared_discrepancy(torch.from_numpy(forward_pass.run(inputs.backbone, one, 16).features), of_target, width))
        for one in (table, after)
    )
    assert moved < before
    if inputs.task == "image-classification":
        old = {tuple(one.flatten()): label for one, label in zip(pixels(table), table["label"].to_pylist(), strict=True)}
        originals = np.array(list(old)).reshape(-1, 1, *pixels(after).shape[1:])
        apart = np.abs(originals - pixels(after)[None]).max((2, 3, 4)).min(0)
        assert 0 < apart.max() <= round(RADIUS * 255)
        return
    name = "response" if inputs.task == "instruction" else "text"
    words, starts = set(target_words(table[name].to_pylist(), inputs.target[name].to_pylist())), table[name].to_pylist()
    for text in after[name].to_pylist():
        start = max((one for one in starts if text.startswith(one)), key=len)
        added = text.removeprefix(start).split()
        assert len(added) <= WORDS
        assert set(added) <= words


def test_words_of_the_target_are_those_that_it_has_more_often() -> None:
    assert target_words(["a b a", "b"], ["c c c a", "d d b", "e"])[:2] == ["c", "d"]


def test_an_attack_refuses_what_it_cannot_do() -> None:
    table = planted_rows("text-classification", "own", 8)
    blind = AttackerView("text-classification")
    for name, strength, reason in (
        ("copy-target", 0.5, "must see target"),
        ("copy-other", 0.5, "must see donor"),
        ("adversarial-features", 0.5, "must see backbone, target"),
        ("pad-duplicates", 0.0, "strength above 0"),
        ("pad-duplicates", 1.5, "strength above 0"),
    ):
        with pytest.raises(ConfigError, match=reason):
            attack_named(name).apply(table, blind, strength)
    with pytest.raises(ConfigError, match="expected an attack"):
        attack_named("bribe")
