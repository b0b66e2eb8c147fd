"""Fitted weights: recovered where they are known, never negative, refused away from home."""

import json

import numpy as np
import pytest

from mixval.errors import ConfigError, ShapeError
from mixval.valuation.fitting import fit_weights, read_fit, write_fit

BACKBONE = {"architecture": "resnet", "seed": 0}


def calibration(weights: list[float], noise: float = 0.0, k: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    terms = rng.normal(size=(k, 4)) * [1.0, 0.1, 10.0, 0.01]
    return terms, 0.7 - terms @ np.array(weights) + noise * rng.normal(size=k)


def test_known_weights_come_back() -> None:
    terms, performance = calibration([0.3, 2.0, 0.05, 0.0])
    fit = fit_weights(terms, performance, "planted")
    # The smallest ridge, 1e-3, shrinks each weight by about a thousandth.
    scales = np.array([1.0, 0.1, 10.0, 0.01])  # of the terms: what a weight moves is weight times scale
    np.testing.assert_allclose(fit.weights.coefficients * scales, scales * [0.3, 2.0, 0.05, 0.0], atol=2e-3)
    assert fit.cross_validated_r2 > 0.999


def test_a_harmful_sign_becomes_zero_not_negative() -> None:
    fit = fit_weights(*calibration([0.5, -1.0, 0.1, 0.0]), "planted")
    assert (fit.weights.coefficients >= 0).all()
    assert fit.weights.coefficients[1] == 0.0


def test_pure_noise_predicts_nobody_left_out() -> None:
    terms, _ = calibration([0.0, 0.0, 0.0, 0.0])
    fit = fit_weights(terms, np.random.default_rng(5).normal(size=len(terms)), "noise")
    assert fit.cross_validated_r2 < 0.2
    assert fit.ridge >= 1.0


def test_a_round_trip_keeps_weights_and_provenance() -> None:
    fit = fit_weights(*calibration([0.3, 2.0, 0.05, 0.0]), "planted")
    found = read_fit(write_fit(fit, "instruction", BACKBONE), "instruction", BACKBONE, "memory")
    np.testing.assert_array_equal(found.coefficients, fit.weights.coefficients)
    assert found.provenance == "planted"


@pytest.mark.parametrize(("task", "backbone"), [("text-classification", BACKBONE), ("instruction", {"architecture": "vit"})])
def test_weights_of_another_task_or_backbone_are_refused(task: str, backbone: dict[str, object]) -> None:
    document = write_fit(fit_weights(*calibration([0.3, 2.0, 0.05, 0.0]), "planted"), "instruction", BACKBONE)
    with pytest.raises(ConfigError, match="fitted for"):
        read_fit(document, task, backbone, "weights.json")
    accepted = read_fit(document, task, backbone, "weights.json", accepts_others=True)
    assert accepted.coefficients.tolist() == read_fit(document, "instruction", BACKBONE, "").coefficients.tolist()
    assert "planted; accepted though fitted for another" in accepted.provenance


@pytest.mark.parametrize("broken", [b"no json", b"{}", json.dumps({"weights": {"loss": -1}}).encode()])
def test_a_document_that_is_no_fit_is_refused(broken: bytes) -> None:
    with pytest.raises(ConfigError, match=r"weights\.json: expected a calibration artifact"):
        read_fit(broken, "instruction", BACKBONE, "weights.json")


def test_negative_weights_in_a_document_are_refused() -> None:
    fit = json.loads(write_fit(fit_weights(*calibration([0.3, 2.0, 0.05, 0.0]), "planted"), "instruction", BACKBONE))
    fit["weights"]["loss"] = -1.0
    with pytest.raises(ConfigError, match="not negative"):
        read_fit(json.dumps(fit).encode(), "instruction", BACKBONE, "weights.json")


def test_too_few_contributors_and_wrong_shapes_are_refused() -> None:
    terms, performance = calibration([1.0, 1.0, 1.0, 1.0])
    with pytest.raises(ConfigError, match="at least 5"):
        fit_weights(terms[:4], performance[:4], "few")
    with pytest.raises(ShapeError, match=r"\(40, 4\): performances by terms; found \(40, 3\)"):
        fit_weights(terms[:, :3], performance, "narrow")
