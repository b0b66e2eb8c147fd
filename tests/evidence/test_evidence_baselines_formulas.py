"""Ranking methods against obvious dense references."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pyarrow as pa
import pytest
from scipy import sparse
from scipy.optimize import minimize
from scipy.spatial.distance import cdist
from scipy.special import softmax

from mixval.evidence.baselines import eq8
from mixval.evidence.baselines.davinz import balanced, davinz
from mixval.evidence.baselines.deviation import deviations
from mixval.evidence.baselines.discrepancies import data_distribution_valuation, pooled_mmd
from mixval.evidence.baselines.gradient_shapley import shapley_values
from mixval.evidence.baselines.hog import hog
from mixval.evidence.baselines.inputs import Inputs
from mixval.evidence.baselines.kernel_mean_matching import matching_weights
from mixval.evidence.baselines.knn_shapley import row_values
from mixval.evidence.baselines.logistic import fold_of_each, probabilities
from mixval.evidence.baselines.nearest_neighbours import nearest_first
from mixval.evidence.baselines.ngram import END, START, KneserNey, discounts
from mixval.evidence.baselines.optimal_transport import class_wise_distance
from mixval.evidence.baselines.raw_inputs import Document, outlines
from mixval.evidence.baselines.raw_ridge import raw_ridge
from mixval.evidence.baselines.supervised import accuracy, log_likelihood, tempered
from mixval.evidence.baselines.tracin import tracin_initial
from mixval.evidence.baselines.trak import row_scores
from mixval.evidence.baselines.unigram import PRIORS, content_counts, smoothed
from tests.evidence.planted_contributors import planted_inputs
from tests.evidence.planted_tables import picture

# fmt: off
SCIKIT_IMAGE = [
    0.26491  , 0.2779521, 0.2909051, 0.       , 0.2909051, 0.       , 0.030382 , 0.       , 0.       , 0.1710447, 0.1277069,
    0.2909051, 0.       , 0.2909051, 0.       , 0.1144765, 0.       , 0.0593793, 0.1383176, 0.       , 0.2909051, 0.0617512,
    0.2909051, 0.0593793, 0.       , 0.       , 0.       , 0.172083 , 0.0993503, 0.2909051, 0.       , 0.2909051, 0.       ,
    0.2156064, 0.       , 0.,
]
# fmt: on
"""`hog` of scikit-image 0.26 with 9 orientations, cells of 5 by 5, blocks of 2 by 2 and "L2-Hys", of the image in the test."""


@pytest.fixture(scope="module")
def images() -> Inputs:
    return planted_inputs("image-classification")


@pytest.mark.parametrize("k", [1, 2, 3, 6, 9])
def test_knn_shapley_equals_the_mean_over_all_orders(k: int) -> None:
    random = np.random.default_rng(k)
    rows, labels = random.standard_normal((6, 2)), random.integers(0, 2, 6)
    target, target_labels = random.standard_normal((3, 2)), np.array([0, 1, 1])
    distances = cdist(target, rows)

    def utility(members: tuple[int, ...]) -> float:
        nearest = [sorted(members, key=lambda i, t=t: distances[t, i])[:k] for t in range(3)]
        return float(np.mean([sum(labels[i] == target_labels[t] for i in found) / k for t, found in enumerate(nearest)]))

    expected = np.zeros(6)
    for order in itertools.permutations(range(6)):
        for at, row in enumerate(order):
            expected[row] += utility(order[: at + 1]) - utility(order[:at])
    found = row_values(rows, labels, target, target_labels, k)
    np.testing.assert_allclose(found, expected / math.factorial(6), atol=1e-12)
    assert found.sum() == pytest.approx(utility(tuple(range(6))))


def test_neighbours_are_ordered_by_distance() -> None:
    random = np.random.default_rng(0)
    rows, target = random.standard_normal((40, 3)) + 100, random.standard_normal((600, 3)) + 100
    distances, order = cdist(target, rows), nearest_first(rows, target)
    np.testing.assert_array_equal(np.sort(order, axis=1), np.tile(np.arange(40), (600, 1)))
    # By distance, not by index: which of two that are equal but for rounding comes first is nobody's promise.
    np.testing.assert_allclose(np.take_along_axis(distances, order, axis=1), np.sort(distances, axis=1), rtol=1e-11)
    np.testing.assert_array_equal(nearest_first(np.zeros((3, 1)), np.zeros((1, 1)), 2), [[0, 1]])


def test_class_wise_transport_of_a_case_by_hand() -> None:
    x, y = np.array([[0.0], [4.0]]), np.array([0, 1])
    same = class_wise_distance(x, y, x, y)
    assert same == pytest.approx(0, abs=1e-12)
    # Classes are known by their features alone: other names for the same ones cost nothing.
    assert class_wise_distance(x, y[::-1].copy(), x, y) == pytest.approx(0, abs=1e-12)
    # Labels at random: points stay where they are, and each class, at 0 and 4, is half of 16 away from T's, at 0 or at 4.
    mixed, shuffled = np.repeat(x, 2, axis=0), np.array([0, 1, 0, 1])
    assert class_wise_distance(mixed, shuffled, x, y) == pytest.approx(8)
    # Class 0 stands at 0 on both sides; half of T's mass, class 1, takes what is left of class 0 over 3: 9 for the way, 9 for
    # the label.
    assert class_wise_distance(np.zeros((2, 1)), np.array([0, 0]), np.array([[0.0], [3.0]]), y) == pytest.approx(9)
    # Different numbers of rows: 1/3 of the mass goes a way of 1, and the class as a whole is 1/3 off.
    assert class_wise_distance(np.zeros((1, 1)), np.array([0]), np.array([[0.0], [0.0], [1.0]]), np.zeros(3, dtype=int)) == (
        pytest.approx(2 / 3)
    )


@pytest.mark.parametrize("penalty", [0.0, 0.01, 0.2])
def test_matching_weights_solve_the_quadratic_program(penalty: float) -> None:
    random = np.random.default_rng(3)
    gradients, target = random.standard_normal((5, 8)), random.standard_normal(8)
    K, c = gradients @ gradients.T, gradients @ target

    def objective(split: np.ndarray) -> float:  # b = plus - minus, both not negative
        b = split[:5] - split[5:]
        return float(b @ K @ b / 2 - c @ b + penalty * split.sum())

    dense = minimize(objective, np.full(10, 0.1), bounds=[(0, None)] * 10, options={"ftol": 1e-15, "gtol": 1e-10})
    found = matching_weights(K, c, penalty)
    np.testing.assert_allclose(found, dense.x[:5] - dense.x[5:], atol=1e-4)
    assert objective(np.concatenate([np.maximum(found, 0), np.maximum(-found, 0)])) <= dense.fun + 1e-9
    np.testing.assert_array_equal(matching_weights(K, c, float(abs(c).max())), np.zeros(5))


def test_deviation_is_the_distance_between_two_fits() -> None:
    random = np.random.default_rng(4)
    points, responses, sizes = random.standard_normal((12, 2)), np.eye(3)[random.integers(0, 3, 12)], [5, 4, 3]
    kernel = np.exp(-cdist(points, points, "sqeuclidean") / 2)
    whole = np.linalg.solve(kernel + 0.01 * np.eye(12), responses)
    expected = []
    for low, high in itertools.pairwise([0, 5, 9, 12]):
        kept = np.r_[0:low, high:12]
        without = np.zeros((12, 3))
        without[kept] = np.linalg.solve(kernel[np.ix_(kept, kept)] + 0.01 * np.eye(len(kept)), responses[kept])
        expected.append(np.trace((whole - without).T @ kernel @ (whole - without)))
    np.testing.assert_allclose(deviations(kernel, responses, sizes, 0.01), expected, rtol=1e-8)


def test_trak_scores_are_those_of_the_paper() -> None:
    random = np.random.default_rng(5)
    features, of_target = random.standard_normal((30, 6)), random.standard_normal((4, 6))
    damped = features.T @ features + 1e-3 * np.trace(features.T @ features) / 6 * np.eye(6)
    expected = features @ np.linalg.inv(damped) @ of_target.T
    np.testing.assert_allclose(row_scores(features, of_target.mean(axis=0)), expected.mean(axis=1), rtol=1e-10)


def test_tracin_is_the_sum_of_products_of_rows(images: Inputs) -> None:
    sketches = images.gradients("log-probability", 0)
    expected = [(rows.astype(float) @ sketches.target.astype(float).T).mean(axis=1).sum() for rows in sketches.contributors]
    np.testing.assert_allclose(tracin_initial(images, 0), expected, rtol=1e-6)


def test_davinz_is_minus_kappa_times_ntk_minus_mmd(images: Inputs) -> None:
    grams, pixels = images.grams(0), images.pixels()
    ntk = []
    for gram in grams:  # 40 rows at most, so that 100 blocks are one a row
        residuals, diagonal = 1 - gram.outputs, np.diagonal(gram.theta)
        ntk.append(math.sqrt((residuals**2 / (diagonal + 1e-4)).sum() / len(residuals)))
    mmd = [
        math.sqrt(_gauss(x, x, 5.0) + _gauss(pixels.target, pixels.target, 5.0) - 2 * _gauss(x, pixels.target, 5.0))
        for x in pixels.contributors
    ]
    kappa = np.mean(mmd) / np.mean(ntk)
    np.testing.assert_allclose(davinz(images, 0), -kappa * np.array(ntk) - np.array(mmd), rtol=1e-8)
    np.testing.assert_array_equal(balanced(np.zeros(2), np.array([1.0, 2.0])), [-1.0, -2.0])


def test_distribution_valuation_sums_kernels(images: Inputs) -> None:
    passes = images.passes()
    scale = math.sqrt((passes.target.features**2).mean())
    target = passes.target.features / scale
    expected = []
    for one in passes.contributors:
        x = one.features / scale
        squared = sum(_gauss(x, x, s) + _gauss(target, target, s) - 2 * _gauss(x, target, s) for s in (1, 2, 5, 10))
        expected.append(-math.sqrt(squared))
    np.testing.assert_allclose(data_distribution_valuation(images, 0), expected, rtol=1e-8)
    np.testing.assert_allclose(pooled_mmd([target], target, [1.0]), 0, atol=1e-7)


def _gauss(x: np.ndarray, y: np.ndarray, s: float) -> float:
    return float(np.exp(-cdist(x, y, "sqeuclidean") / (2 * s * s)).mean())


def test_eq8_terms_and_rules_are_the_formula(images: Inputs) -> None:
    estimates = eq8.term_estimates(images, 0)
    one, own, gram = images.contributors[0], images.passes().contributors[0], images.grams(0)[0]
    assert estimates.terms[0, 0] == pytest.approx(own.losses.mean())  # half real, half synthetic
    shift = 0.01 * np.trace(gram.theta) / len(gram.theta)
    residuals = 1 - gram.outputs
    value = residuals @ np.linalg.solve(gram.theta + shift * np.eye(len(residuals)), residuals)
    assert estimates.terms[0, 2] == pytest.approx(math.sqrt(value / len(residuals)), rel=1e-6)
    assert estimates.terms[0, 3] == pytest.approx(math.sqrt(0.5 / one.n_rows))
    assert (estimates.standard_errors[:, :2] > 0).all()
    np.testing.assert_allclose(eq8.weighted(images, 0, "published"), -estimates.terms[:, :2].mean(axis=1))
    matched = eq8.weighted(images, 0, "scale-matched")
    np.testing.assert_allclose(matched, -(estimates.terms / estimates.terms.mean(axis=0)).sum(axis=1))
    np.testing.assert_allclose(eq8.single(images, 0, eq8.discrepancy_term), -estimates.terms[:, 1])


def test_the_published_rule_does_not_pay_for_gradients() -> None:
    fresh = planted_inputs("language-modelling")
    _, charge = fresh.ledger.charged(lambda: eq8.weighted(fresh, 0, "published"))
    assert charge.used == {"features"}


@pytest.mark.parametrize(
    ("is_real", "expected"), [([1, 0, 0], [0, 0, 0]), ([1, 1, 0], [1, 1, 1]), ([1, 1, 0, 0], [1, 1, 0, 0])]
)
def test_a_part_of_one_row_is_measured_with_the_other(is_real: list[int], expected: list[int]) -> None:
    np.testing.assert_array_equal(eq8._paired(np.array(is_real, dtype=bool)), np.array(expected, dtype=bool))


def test_raw_ridge_is_kernel_ridge_on_pixels(images: Inputs) -> None:
    pixels, labels = images.pixels(), images.labels()
    median = np.median(cdist(pixels.target, pixels.target)[np.triu_indices(len(pixels.target), 1)])
    accuracies = []
    for x, y in zip(pixels.contributors, labels.contributors, strict=True):
        kernel = np.exp(-cdist(x, x, "sqeuclidean") / (2 * median**2)) + 0.01 * np.eye(len(x))
        across = np.exp(-cdist(pixels.target, x, "sqeuclidean") / (2 * median**2))
        outputs = across @ np.linalg.solve(kernel, np.eye(4)[y])
        largest = np.isclose(outputs, outputs.max(axis=1, keepdims=True), rtol=0, atol=0)
        accuracies.append((largest[np.arange(len(outputs)), labels.target] / largest.sum(axis=1)).mean())
    np.testing.assert_allclose(raw_ridge(images, "accuracy"), accuracies)


def test_a_model_that_has_not_seen_a_class_is_judged_all_the_same() -> None:
    alone = probabilities(np.zeros((3, 2)), np.array([2, 2, 2]), np.zeros((4, 2)), 3)
    np.testing.assert_array_equal(alone, np.tile([0.0, 0.0, 1.0], (4, 1)))
    assert accuracy(alone, 3, np.array([2, 2, 0, 1])) == 0.5
    expected = (2 * math.log(4 / 6) + 2 * math.log(1 / 6)) / 4  # one row a class is added to three
    assert log_likelihood(alone, 3, np.array([2, 2, 0, 1])) == pytest.approx(expected)
    assert accuracy(np.full((2, 4), 0.25), 1, np.array([0, 3])) == 0.25
    random = np.random.default_rng(6)
    features = random.standard_normal((40, 2))
    labels = np.where(features[:, 0] > 0, 3, 1)
    found = probabilities(features, labels, features, 4)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    np.testing.assert_array_equal(found[:, [0, 2]], 0)
    assert (found.argmax(axis=1) == labels).mean() > 0.95


def test_certainty_does_not_count_but_what_it_is_about() -> None:
    random = np.random.default_rng(11)
    logits, n = random.standard_normal((300, 3)), 10**9
    labels = np.array([random.choice(3, p=p) for p in softmax(logits, axis=1)])
    calm, certain = (tempered(softmax(scale * logits, axis=1), n, labels) for scale in (1, 4))
    assert calm == pytest.approx(certain, abs=1e-4)
    assert calm == pytest.approx(log_likelihood(softmax(logits, axis=1), n, labels), abs=0.02)
    assert log_likelihood(softmax(4 * logits, axis=1), n, labels) < calm - 0.3
    assert tempered(np.full((300, 3), 1 / 3), n, labels) == pytest.approx(-math.log(3))


def test_kneser_ney_sums_to_one_and_counts_by_hand() -> None:
    documents = [Document("", "a b a c"), Document("b", "a b")]
    vocabulary = ["a", "b", "c", END, "unseen"]
    model = KneserNey([document.words() for document in documents], len(vocabulary))
    for context in itertools.product([START, *vocabulary], repeat=2):
        assert sum(model.probability(context, word) for word in vocabulary) == pytest.approx(1)
    # Different words before: a 2 (start, b), b 2 (start, a), c 1 (a), end 2 (c, b): 7, of 4 words.
    unigram = (2 - 0.75) / 7 + 0.75 * 4 / 7 / 5
    # Pairs after a by different words before: (start a b), (b a b), (b a c): b 2, c 1.
    bigram = (2 - 0.75) / 3 + 0.75 * 2 / 3 * unigram
    # Triples after (b, a): c and b, once each.
    assert model.probability(("b", "a"), "b") == pytest.approx((1 - 0.75) / 2 + 0.75 * 2 / 2 * bigram)
    assert model.probability(("unseen", "unseen"), "a") == pytest.approx((2 - 0.75) / 7 + 0.75 * 4 / 7 / 5)


def test_words_of_a_prompt_are_not_foretold() -> None:
    model = KneserNey([Document("what is it", "a cat").words()], 8)
    found = model.log_probabilities(Document("what is it", "a dog").words())
    assert len(found) == 3  # a, dog, the end
    assert found[0] == pytest.approx(math.log(model.probability(("is", "it"), "a")))
    assert found[0] > found[1]


def test_a_penalty_is_chosen_that_fits_how_often_labels_are_right() -> None:
    random = np.random.default_rng(7)
    features = random.standard_normal((120, 60))
    right = (features[:, 0] > 0).astype(np.int64)
    wrong = np.where(random.random(120) < 0.45, 1 - right, right)
    of_target = random.standard_normal((400, 60))
    labels = (of_target[:, 0] > 0).astype(np.int64)
    clean, noisy = (log_likelihood(probabilities(features, said, of_target, 2), 120, labels) for said in (right, wrong))
    assert clean > -0.45
    assert noisy > -0.75  # nearly no statement at all, where a fit of all labels is confidently wrong


def test_folds_spread_classes_and_keep_equal_rows_together() -> None:
    random = np.random.default_rng(8)
    features, labels = random.standard_normal((40, 3)), np.repeat([0, 1], [30, 10])
    twice, said = np.concatenate([features, features[:20]]), np.concatenate([labels, labels[:20]])
    for given in (twice, sparse.csr_matrix(twice)):
        folds = fold_of_each(given, said)
        np.testing.assert_array_equal(folds[40:], folds[:20])
        for label, n in ((0, 6), (1, 2)):
            np.testing.assert_array_equal(np.bincount(folds[:40][labels == label], minlength=5), n)
    np.testing.assert_array_equal(fold_of_each(np.ones((4, 2)), np.array([0, 1, 0, 1])), 0)
    same = probabilities(np.ones((4, 2)), np.array([0, 1, 0, 1]), np.ones((1, 2)), 2)
    np.testing.assert_allclose(same, 0.5, atol=1e-6)


def test_hog_is_that_of_scikit_image() -> None:
    y, x = np.mgrid[0:10, 0:10]
    image = 0.5 + 0.5 * np.sin(np.stack([y * x + 0.3, 2 * y + 3 * x, 3 * y * y + x], axis=2))
    found = hog(image[None], 5)
    assert found.shape == (1, 36)
    np.testing.assert_allclose(found[0], SCIKIT_IMAGE, atol=1e-6)
    np.testing.assert_array_equal(hog(np.full((1, 8, 8, 1), 0.5), 4), 0)
    rows = pa.table({"image": [picture(0, 1), picture(1, 2)]})
    assert outlines(rows).shape == (2, 324)


def test_a_unigram_model_is_smoothed_by_what_its_own_words_say() -> None:
    own = content_counts([Document("never this", "a a b"), Document("", "a.")])
    assert own == {"a": 3, "b": 1, ".": 1}
    counts, shares = np.array([3.0, 1.0, 1.0, 0.0]), np.array([0.4, 0.3, 0.2, 0.1])

    def left_out(mu: float) -> float:
        return sum(
            c * math.log((c - 1 + mu * p) / (counts.sum() - 1 + mu)) for c, p in zip(counts, shares, strict=True) if c > 0
        )

    mu = max(PRIORS, key=left_out)
    found = smoothed(counts, shares)
    np.testing.assert_allclose(found, (counts + mu * shares) / (5 + mu))
    assert found.sum() == pytest.approx(1)


def test_discounts_are_those_of_the_counts_of_counts() -> None:
    # Six once, three twice, two thrice, one four times: Y = 6 / 12.
    assert discounts([1] * 6 + [2] * 3 + [3] * 2 + [4]) == pytest.approx(
        (0, 1 - 2 * 0.5 / 2, 2 - 3 * 0.5 * 2 / 3, 3 - 4 * 0.5 / 2)
    )
    assert discounts([1, 2, 3]) == (0, 0.75, 0.75, 0.75)
    random = np.random.default_rng(9)
    texts = [([str(one) for one in random.geometric(0.1, 30)], 30) for _ in range(20)]
    vocabulary = sorted({token for tokens, _ in texts for token in tokens} | {END})
    model = KneserNey(texts, len(vocabulary), 2)
    assert len(set(model._discounts[1][1:])) == 3
    for context in vocabulary:
        assert sum(model.probability((context,), token) for token in vocabulary) == pytest.approx(1)


def test_characters_are_foretold_in_their_case_after_a_prompt() -> None:
    assert Document("Q", "Ab").characters() == (["Q", "\n", "A", "b"], 2)
    assert Document("", "Ab").characters() == (["A", "b"], 2)


def test_gradient_shapley_equals_the_mean_over_all_orders() -> None:
    random = np.random.default_rng(10)
    sums, target = random.standard_normal((4, 5)), random.standard_normal(5)

    def utility(members: tuple[int, ...]) -> float:
        together = sums[list(members)].sum(axis=0)
        return float(together @ target / np.linalg.norm(together) / np.linalg.norm(target)) if members else 0.0

    orders = np.array(list(itertools.permutations(range(4))))
    expected = np.zeros(4)
    for order in orders.tolist():
        for at, one in enumerate(order):
            expected[one] += (utility(tuple(order[: at + 1])) - utility(tuple(order[:at]))) / len(orders)
    found = shapley_values(sums @ sums.T, sums @ target, float(np.linalg.norm(target)), orders)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert found.sum() == pytest.approx(utility((0, 1, 2, 3)))
    nobody = shapley_values(np.zeros((2, 2)), np.zeros(2), 1.0, np.array([[0, 1]]))
    np.testing.assert_array_equal(nobody, 0)
