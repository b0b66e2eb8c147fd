"""What T says of a prediction, and half-samples of either side, against regressions done anew and fresh samples."""

import math

import numpy as np
import pytest

from mixval.errors import ShapeError
from mixval.terms.ntk.judge import Judge, lengths, squared_lengths
from mixval.terms.ntk.judged_halves import half_sample_values
from mixval.terms.ntk.regression import kernel_regression
from mixval.terms.ntk.risk import one_hot, risk_exact
from tests.terms.half_sample_spread import spread
from tests.terms.ntk.ntk_predicted import log_probability_gain

C, M = 3, 60
World = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def world(n: int, m: int = M, seed: int = 0) -> World:
    """Features of S (n, 12) and T (m, 12) about class centres, and labels; T is the same for every seed."""
    centres = np.random.default_rng(99).normal(size=(C, 12))
    generator, of_target = np.random.default_rng(seed), np.random.default_rng(98)
    labels_s, labels_t = generator.integers(0, C, n), of_target.integers(0, C, m)
    phi_s = centres[labels_s] + 2.0 * generator.normal(size=(n, 12))
    return phi_s, centres[labels_t] + 2.0 * of_target.normal(size=(m, 12)), labels_s, labels_t


def masks(n: int, replicates: int, seed: int = 7) -> np.ndarray:
    """(R, n) random halves."""
    generator = np.random.default_rng(seed)
    return np.stack([generator.permutation(n) < n // 2 for _ in range(replicates)])


def test_labels_judge_by_minus_the_cross_entropy() -> None:
    phi_s, phi_t, labels_s, labels_t = world(30)
    blocks, judge = (phi_s @ phi_s.T, phi_t @ phi_s.T), Judge(labels=labels_t, n_classes=C)
    prediction = kernel_regression(*blocks, one_hot(labels_s, C)).predict(0.1)
    risk = risk_exact(*blocks, one_hot(labels_s, C), labels_t, 0.1)
    assert judge.value(prediction.values) == pytest.approx(-risk.cross_entropy, rel=1e-12)
    assert judge.diagnostics(prediction)["accuracy"] == risk.accuracy
    assert judge.measure == "cross-entropy"
    assert judge.value(np.zeros((M, C))) == pytest.approx(judge.of_nobody) == -math.log(C)


def test_norms_divide_the_outputs_of_their_rows() -> None:
    phi_s, phi_t, labels_s, labels_t = world(30)
    norms = np.random.default_rng(3).uniform(0.1, 9.0, M)
    given = phi_s @ phi_s.T, phi_t @ phi_s.T, one_hot(labels_s, C)
    outputs = kernel_regression(*given).predict(0.1)
    judge, plain = (Judge(labels=labels_t, n_classes=C, norms=held) for held in (norms, None))
    assert judge.value(outputs.values) == pytest.approx(plain.value(outputs.values / norms[:, None]), rel=1e-12)
    assert judge.value(outputs.values) != pytest.approx(plain.value(outputs.values), rel=1e-3)
    told, risk = judge.diagnostics(outputs), risk_exact(*given, labels_t, 0.1, norms=norms)
    assert told["cross_entropy"] == pytest.approx(risk.cross_entropy, rel=1e-12)
    assert told["cross_entropy"] == pytest.approx(-judge.value(outputs.values), rel=1e-12)
    assert told["accuracy"] == plain.diagnostics(outputs)["accuracy"]
    gone = np.where(np.arange(M) == 0, 0.0, norms)
    assert np.isfinite(Judge(labels=labels_t, n_classes=C, norms=gone).value(outputs.values))
    with pytest.raises(ShapeError, match="gradient norms of T's labelled rows"):
        Judge(labels=labels_t, n_classes=C, norms=norms[1:])


def test_lengths_are_those_of_what_rows_do_not_have_in_common() -> None:
    phi = world(30)[1] + 7.0
    wanted = np.linalg.norm(phi - phi.mean(0), axis=1)
    np.testing.assert_allclose(lengths(phi), wanted, rtol=1e-12)
    layers = phi[:, :5], phi[:, 5:]
    np.testing.assert_allclose(sum(squared_lengths(own @ own.T) for own in layers), wanted**2, rtol=1e-9)


def test_tokens_judge_by_the_gain() -> None:
    phi_s, phi_t, _, _ = world(30)
    residual, tokens = np.random.default_rng(1).random(30), np.arange(1.0, M + 1)
    blocks, judge = (phi_s @ phi_s.T, phi_t @ phi_s.T), Judge(tokens=tokens)
    prediction = kernel_regression(*blocks, residual[:, None]).predict(0.1)
    gain = log_probability_gain(*blocks, residual, 0.1, tokens_t=tokens)
    assert judge.value(prediction.values) == pytest.approx(gain.gain, rel=1e-12)
    assert judge.diagnostics(prediction)["gain_error"] == pytest.approx(gain.gain_error)
    assert (judge.measure, judge.of_nobody) == ("log-probability-gain", 0.0)
    kept = masks(M, 3)
    wanted = [np.average(prediction.values[mask, 0], weights=tokens[mask]) for mask in kept]
    np.testing.assert_allclose(judge.half_values(prediction.values, kept), wanted, rtol=1e-12)


def test_half_samples_of_s_are_the_values_of_their_rows() -> None:
    phi_s, phi_t, labels_s, labels_t = world(24)
    y, kept = one_hot(labels_s, C), masks(24, 4)
    found = half_sample_values(phi_s @ phi_s.T, phi_t @ phi_s.T, y, Judge(labels=labels_t, n_classes=C), kept, 0.1)
    wanted = [
        -risk_exact(phi_s[s] @ phi_s[s].T, phi_t @ phi_s[s].T, y[s], labels_t, 0.1, "centred").cross_entropy for s in kept
    ]
    np.testing.assert_allclose(found.values, wanted, rtol=1e-9)
    for own, moved in zip(kept, found.displacements, strict=True):
        theta = phi_s[own] @ phi_s[own].T
        shift = 0.1 * (np.trace(theta) / len(theta) - theta.mean())
        way = phi_s[own].T @ np.linalg.solve(theta + shift * np.eye(len(theta)), y[own])
        assert moved == pytest.approx(np.linalg.norm(way), rel=1e-9)


def test_half_samples_of_t_are_those_of_its_rows_up_to_the_scale() -> None:
    phi_s, phi_t, labels_s, labels_t = world(200, 400)
    outputs = kernel_regression(phi_s @ phi_s.T, phi_t @ phi_s.T, one_hot(labels_s, C)).predict(0.1).values
    judge, kept = Judge(labels=labels_t, n_classes=C), masks(400, 30)
    found = judge.half_values(outputs, kept)
    anew = [Judge(labels=labels_t[t], n_classes=C).value(outputs[t]) for t in kept]
    assert np.corrcoef(found, anew)[0, 1] > 0.99
    assert np.abs(found - anew).max() < 0.2 * np.std(anew)


def test_half_samples_of_s_spread_as_fresh_samples_do() -> None:
    def blocks(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        phi_s, phi_t, labels_s, _ = world(200, 400, seed)
        return phi_s @ phi_s.T, phi_t @ phi_s.T, one_hot(labels_s, C)

    judge = Judge(labels=world(1, 400)[3], n_classes=C)
    fresh = [judge.value(kernel_regression(*blocks(seed)).predict(0.1, "centred").values) for seed in range(40)]
    found = half_sample_values(*blocks(0), judge, masks(200, 40, seed=2), 0.1).values
    # Half as many rows leave a spread that falls faster than 1 / sqrt(n): the estimate is on the large side.
    assert 0.8 < spread(found, 200, 100) / np.std(fresh, ddof=1) < 2.5


def test_refusals() -> None:
    phi_s, phi_t, labels_s, labels_t = world(12)
    judge = Judge(labels=labels_t, n_classes=C)
    for given in ({}, {"labels": labels_t}, {"labels": labels_t, "tokens": np.ones(M), "n_classes": C}):
        with pytest.raises(ShapeError, match="labels over two classes at least or by answer tokens"):
            Judge(**given)
    with pytest.raises(ShapeError, match="over the same rows of S"):
        half_sample_values(phi_s @ phi_s.T, phi_t @ phi_s[:-1].T, one_hot(labels_s, C), judge, masks(12, 2), 0.1)
    with pytest.raises(ShapeError, match=r"masks of shape \(R, 60\)"):
        judge.half_values(np.zeros((M, C)), masks(12, 2))
