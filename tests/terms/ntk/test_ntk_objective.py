"""What T says of a prediction, against regressions done anew."""

import math

import numpy as np
import pytest

from mixval.errors import ShapeError
from mixval.terms.ntk.objective import TargetObjective, lengths, squared_lengths
from mixval.terms.ntk.regression import kernel_regression
from mixval.terms.ntk.target_metrics import one_hot, target_metrics_exact
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


def test_the_objective_of_labels_is_minus_the_cross_entropy() -> None:
    phi_s, phi_t, labels_s, labels_t = world(30)
    blocks, objective = (phi_s @ phi_s.T, phi_t @ phi_s.T), TargetObjective(labels=labels_t, n_classes=C)
    prediction = kernel_regression(*blocks, one_hot(labels_s, C)).predict(0.1)
    on_target = target_metrics_exact(*blocks, one_hot(labels_s, C), labels_t, 0.1)
    assert objective.value(prediction.values) == pytest.approx(-on_target.cross_entropy, rel=1e-12)
    assert objective.diagnostics(prediction)["accuracy"] == on_target.accuracy
    assert objective.measure == "cross-entropy"
    assert objective.value(np.zeros((M, C))) == pytest.approx(objective.empty_value) == -math.log(C)


def test_norms_divide_the_outputs_of_their_rows() -> None:
    phi_s, phi_t, labels_s, labels_t = world(30)
    norms = np.random.default_rng(3).uniform(0.1, 9.0, M)
    given = phi_s @ phi_s.T, phi_t @ phi_s.T, one_hot(labels_s, C)
    outputs = kernel_regression(*given).predict(0.1)
    objective, plain = (TargetObjective(labels=labels_t, n_classes=C, norms=held) for held in (norms, None))
    assert objective.value(outputs.values) == pytest.approx(plain.value(outputs.values / norms[:, None]), rel=1e-12)
    assert objective.value(outputs.values) != pytest.approx(plain.value(outputs.values), rel=1e-3)
    told, on_target = objective.diagnostics(outputs), target_metrics_exact(*given, labels_t, 0.1, norms=norms)
    assert told["cross_entropy"] == pytest.approx(on_target.cross_entropy, rel=1e-12)
    assert told["cross_entropy"] == pytest.approx(-objective.value(outputs.values), rel=1e-12)
    assert told["accuracy"] == plain.diagnostics(outputs)["accuracy"]
    gone = np.where(np.arange(M) == 0, 0.0, norms)
    assert np.isfinite(TargetObjective(labels=labels_t, n_classes=C, norms=gone).value(outputs.values))
    with pytest.raises(ShapeError, match="gradient norms of T's labelled rows"):
        TargetObjective(labels=labels_t, n_classes=C, norms=norms[1:])


def test_lengths_are_those_of_what_rows_do_not_have_in_common() -> None:
    phi = world(30)[1] + 7.0
    wanted = np.linalg.norm(phi - phi.mean(0), axis=1)
    np.testing.assert_allclose(lengths(phi), wanted, rtol=1e-12)
    layers = phi[:, :5], phi[:, 5:]
    np.testing.assert_allclose(sum(squared_lengths(own @ own.T) for own in layers), wanted**2, rtol=1e-9)


def test_the_objective_of_tokens_is_the_gain() -> None:
    phi_s, phi_t, _, _ = world(30)
    residual, tokens = np.random.default_rng(1).random(30), np.arange(1.0, M + 1)
    blocks, objective = (phi_s @ phi_s.T, phi_t @ phi_s.T), TargetObjective(tokens=tokens)
    prediction = kernel_regression(*blocks, residual[:, None]).predict(0.1)
    gain = log_probability_gain(*blocks, residual, 0.1, tokens_t=tokens)
    assert objective.value(prediction.values) == pytest.approx(gain.gain, rel=1e-12)
    assert objective.diagnostics(prediction)["gain_error"] == pytest.approx(gain.gain_error)
    assert (objective.measure, objective.empty_value) == ("log-probability-gain", 0.0)


def test_refusals() -> None:
    labels_t = world(12)[3]
    for given in ({}, {"labels": labels_t}, {"labels": labels_t, "tokens": np.ones(M), "n_classes": C}):
        with pytest.raises(ShapeError, match="labels of at least two classes or answer tokens"):
            TargetObjective(**given)
