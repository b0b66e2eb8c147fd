"""The planted generator of images: the covariance of each class, within what its components hold."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.evidence.worlds.planted_generator import fit_generator, generated_rows
from mixval.errors import ShapeError
from tests.evidence.planted_tables import rows


def test_samples_have_the_mean_and_covariance_of_their_class() -> None:
    random = np.random.default_rng(0)
    mixing = random.standard_normal((3, 5)) * 0.02
    images = 0.5 + random.standard_normal((400, 3)) @ mixing
    fitted = fit_generator(images, np.zeros(400, dtype=np.int64), n_components=3)
    drawn = fitted.sample(0, 40_000, 1.0, random).reshape(40_000, -1)
    np.testing.assert_allclose(drawn.mean(0), images.mean(0), atol=1e-3)
    # 40,000 draws estimate an entry of a covariance of about 1e-3 to about 1e-5.
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(images.T), atol=5e-5)


def test_temperature_scales_variety_and_components_bound_it() -> None:
    random = np.random.default_rng(1)
    images, labels = 0.5 + 0.02 * random.standard_normal((60, 2, 4)), np.repeat([3, 7], 30)
    fitted = fit_generator(images, labels, n_components=2)
    assert fitted.classes == (3, 7)
    hot, cold = (fitted.sample(1, 500, t, np.random.default_rng(2)) for t in (1.0, 0.5))
    np.testing.assert_allclose(cold - cold.mean(0), (hot - hot.mean(0)) / 2, atol=1e-6)
    assert np.linalg.matrix_rank(hot.reshape(500, -1) - fitted.means[1], tol=1e-4) == 2
    assert (fitted.sample(0, 5, 0.0, random) == fitted.sample(0, 5, 0.0, random)).all()


def test_generated_rows_fit_beside_real_ones() -> None:
    real = rows("image-classification", "real", 40)
    made = generated_rows(real, n_per_class=6, temperature=0.8, n_components=4, seed=0)
    assert made.schema.equals(real.schema)
    assert made["label"].to_pylist() == [label for label in range(4) for _ in range(6)]
    assert len(set(made["id"].to_pylist())) == 24
    assert set(made["source"].to_pylist()) == {"pca-4-t0.8"}
    assert made.equals(generated_rows(real, n_per_class=6, temperature=0.8, n_components=4, seed=0))


def test_shapes_are_checked() -> None:
    with pytest.raises(ShapeError, match="at least one component"):
        fit_generator(np.zeros((3, 4)), np.zeros(2, dtype=np.int64), 1)
    with pytest.raises(ShapeError, match="exactly the columns"):
        generated_rows(rows("instruction", "real", 4), 1, 1.0, 1, 0)
