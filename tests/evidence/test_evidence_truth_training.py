"""The parts of a training: schedule, bounds on steps, orders, early stopping, augmentation; and the agreement of seeds."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from mixval.config.backbone import BackboneConfig
from mixval.errors import NumericalError, ShapeError
from mixval.evidence.agreement import seed_agreement
from mixval.evidence.learners import Learner, Outcome, make_learner
from mixval.evidence.recipe import TrainingRecipe
from mixval.evidence.training import augmented, evaluate, orders, planned_steps, rate_share, take, train
from mixval.models.backbone import Batch
from mixval.models.load import load_backbone
from mixval.models.outputs import own_label_losses
from mixval.models.own import OwnModule, handed_over


def linear_learner(seed: int = 0) -> Learner:
    torch.manual_seed(seed)
    head = nn.Linear(6, 3)

    def compute(batch: Batch) -> Outcome:
        logits = head(batch["inputs"])
        return Outcome(*own_label_losses(logits, batch["targets"]), logits.argmax(-1) == batch["targets"])

    return Learner(head, lambda _rows: {}, compute)


def separable(n: int, seed: int) -> Batch:
    inputs = torch.randn(n, 6, generator=torch.Generator().manual_seed(seed))
    return {"inputs": inputs, "targets": inputs[:, :3].argmax(1)}


def test_the_rate_rises_then_falls_along_a_cosine() -> None:
    shares = [rate_share(step, 100, 0.1) for step in range(100)]
    np.testing.assert_allclose(shares[:10], np.arange(1, 11) / 10)
    np.testing.assert_allclose(shares[10:], (1 + np.cos(np.pi * np.arange(90) / 90)) / 2)
    assert shares[-1] < 0.001


def test_steps_are_bounded_on_both_sides() -> None:
    recipe = TrainingRecipe(epochs=10, batch_rows=32, min_steps=50, max_steps=200)
    assert [planned_steps(n, recipe) for n in (1, 160, 161, 320, 10_000)] == [50, 50, 60, 100, 200]


def test_every_epoch_visits_every_row_once() -> None:
    batches = list(orders(10, 4, 5, np.random.default_rng(0)))
    assert [len(batch) for batch in batches] == [4] * 5
    visited = np.concatenate(batches)
    assert sorted(visited[:10]) == sorted(visited[10:]) == list(range(10))
    assert [len(batch) for batch in orders(3, 64, 2, np.random.default_rng(0))] == [3, 3]


def test_training_finds_a_separable_rule_and_keeps_the_best_weights() -> None:
    learner, recipe = linear_learner(), TrainingRecipe(learning_rate=0.1, evaluate_every=10)
    before = evaluate(learner, separable(200, 1))
    state = torch.get_rng_state()
    course = train(learner, separable(300, 0), separable(60, 2), recipe, seed=0)
    assert torch.equal(state, torch.get_rng_state())
    after = evaluate(learner, separable(200, 1))
    assert after.accuracy is not None
    assert before.accuracy is not None
    assert after.accuracy > 0.9 > before.accuracy
    assert after.metric == after.accuracy
    assert course.validation_loss == pytest.approx(evaluate(learner, separable(60, 2)).loss, rel=1e-12)


def test_products_in_half_precision_train_as_well_and_keep_weights_in_single() -> None:
    scores, weights = [], []
    for products in ("float32", "bfloat16"):
        learner, recipe = linear_learner(), TrainingRecipe(learning_rate=0.1, products=products)
        train(learner, separable(300, 0), None, recipe, seed=0)
        scores.append(evaluate(learner, separable(200, 1)).loss)
        weights.append(learner.module.state_dict()["weight"])
    assert weights[1].dtype == torch.float32
    assert not torch.equal(*weights)
    assert scores[1] == pytest.approx(scores[0], rel=0.05)


def test_a_validation_loss_that_rises_stops_the_training_early() -> None:
    rows = separable(100, 0)
    wrong = {"inputs": rows["inputs"], "targets": (rows["targets"] + 1) % 3}
    recipe = TrainingRecipe(learning_rate=0.05, evaluate_every=10, patience=3, min_steps=400)
    course = train(linear_learner(), rows, wrong, recipe, seed=0)
    assert (course.n_steps, course.stop_reason) == (40, "early")  # the best look is the first; three more are idle
    assert train(linear_learner(), rows, None, recipe, seed=0).n_steps == 400


def test_a_loss_that_is_not_finite_is_an_error() -> None:
    rows = separable(20, 0)
    with pytest.raises(NumericalError, match="finite, found nan at step 1"):
        train(linear_learner(), rows | {"inputs": rows["inputs"] * float("nan")}, None, TrainingRecipe(), seed=0)


def test_texts_are_cut_to_the_longest_of_the_batch() -> None:
    mask = torch.tensor([[1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 0, 0]])
    batch = {"input_ids": torch.arange(12).view(3, 4), "attention_mask": mask, "targets": torch.tensor([0, 1, 0])}
    cut = take(batch, np.array([2, 1]))
    assert cut["input_ids"].tolist() == [[8, 9], [4, 5]]
    assert cut["targets"].tolist() == [0, 1]


def test_augmented_images_are_shifts_of_the_image_or_its_mirror() -> None:
    pixels = torch.arange(2 * 3 * 6 * 6, dtype=torch.float32).view(2, 3, 6, 6)
    mirrored = set()
    for seed in range(12):
        new = augmented({"pixels": pixels, "targets": torch.zeros(2)}, np.random.default_rng(seed))["pixels"]
        for image, old in zip(new, pixels, strict=True):
            matches = []
            for is_mirrored in (False, True):
                padded = nn.functional.pad((old.flip(-1) if is_mirrored else old)[None], (2,) * 4, mode="replicate")[0]
                shifts = [(y, x) for y in range(5) for x in range(5)]
                matches += [is_mirrored for y, x in shifts if torch.equal(padded[:, y : y + 6, x : x + 6], image)]
            assert matches
            mirrored.update(matches)
    assert mirrored == {False, True}


def test_rows_of_a_model_that_reads_padding_are_trained_on_one_by_one() -> None:
    class Mean(nn.Module):
        """Of all tokens, padding too."""

        def __init__(self) -> None:
            super().__init__()
            self.table, self.head = nn.Embedding(259, 8), nn.Linear(8, 2)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.head(self.table(ids).mean(1))
            return logits

    torch.manual_seed(0)
    own = OwnModule(Mean(), tokenizer="byte", dtype="float64")
    with handed_over(own) as digest:
        backbone = load_backbone(BackboneConfig(module=digest, **own.settings), "text-classification", [0, 1])
    learner = make_learner(backbone, TrainingRecipe(), seed=0, has_fresh_head=False)
    texts, labels = ["a longer text than the others", "short", "x"], [0, 1, 1]
    together = learner.compute(learner.encode(pa.table({"text": texts, "label": labels})))
    alone = [
        learner.compute(learner.encode(pa.table({"text": [text], "label": [label]})))
        for text, label in zip(texts, labels, strict=True)
    ]
    torch.testing.assert_close(together.losses, torch.cat([one.losses for one in alone]), rtol=1e-12, atol=0)
    in_a_batch, _ = backbone.losses(
        backbone.forward(batch := learner.encode(pa.table({"text": texts, "label": labels}))), batch
    )
    assert not torch.allclose(together.losses[1:], in_a_batch[1:], rtol=1e-3)
    together.losses.sum().backward()
    assert backbone.module.get_parameter("table.weight").grad is not None


@pytest.mark.parametrize("n_seeds", [2, 3, 5])
def test_agreement_is_the_mean_spearman_correlation_and_spearman_browns_formula(n_seeds: int) -> None:
    random = np.random.default_rng(n_seeds)
    metrics = random.standard_normal(25) + 0.5 * random.standard_normal((n_seeds, 25))
    metrics = np.round(metrics, 1)  # ties
    pairs = [spearmanr(metrics[a], metrics[b]).statistic for a, b in combinations(range(n_seeds), 2)]
    found = seed_agreement(metrics)
    assert found.mean_pairwise == pytest.approx(np.mean(pairs), abs=1e-12)
    expected = n_seeds * np.mean(pairs) / (1 + (n_seeds - 1) * np.mean(pairs))
    assert found.reliability == pytest.approx(expected, abs=1e-12)
    assert found.ceiling == pytest.approx(np.sqrt(expected), abs=1e-12)


def test_the_ceiling_is_what_a_perfect_ranking_reaches() -> None:
    """Expected correlation with the truth behind the noise, over many draws; Gaussian ranks make it exact to about 0.02."""
    random = np.random.default_rng(0)
    truth = random.standard_normal(4000)
    metrics = truth + 0.8 * random.standard_normal((3, 4000))
    assert seed_agreement(metrics).ceiling == pytest.approx(spearmanr(metrics.mean(0), truth).statistic, abs=0.02)


def test_agreement_needs_whole_truth() -> None:
    with pytest.raises(ShapeError, match="K of at least 2"):
        seed_agreement(np.ones((3, 1)))
    with pytest.raises(ShapeError, match="finite"):
        seed_agreement(np.array([[1.0, np.nan], [1.0, 2.0]]))
    assert np.isnan(seed_agreement(np.array([[1.0, 2.0, 3.0]])).mean_pairwise)
