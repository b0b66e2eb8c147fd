"""Labelled features: the product of kernels they make, what a shift of labels does to every form of the MMD, refusals."""

import math

import numpy as np
import pytest
import torch

from mixval.errors import ContractError, NumericalError, ShapeError
from mixval.terms.discrepancy.bandwidth import median_bandwidth
from mixval.terms.discrepancy.kernel import make_kernel
from mixval.terms.discrepancy.labelled import label_block, with_labels
from mixval.terms.discrepancy.permutation import permutation_test
from mixval.terms.discrepancy.random_features import embed, embedding_mmd, fourier_features
from tests.terms.discrepancy.whole_mmd import mmd

MULTIPLIERS = (0.25, 0.5, 1.0, 2.0, 4.0)


def world(n: int, seed: int, flipped: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Rows of two overlapping classes, 3 and 8, of which a share has the other's label: the rows' marginal is the same."""
    draw = np.random.default_rng(seed)
    classes = draw.integers(0, 2, size=n)
    rows = draw.normal(size=(n, 5)) + 2.5 * classes[:, None]
    return rows, np.where(draw.random(n) < flipped, 1 - classes, classes) * 5 + 3


@pytest.mark.parametrize("combine", ["mean", "sum"])
@pytest.mark.parametrize("relative", [0.3, 1.0, 2.0])
def test_is_the_product_of_two_kernels(combine: str, relative: float) -> None:
    (target, target_labels), (part, labels) = world(7, 0), world(5, 1)
    block = label_block(target_labels, 2.5, relative)
    bandwidths = (0.8, 2.0)
    x, y = with_labels(block, target, target_labels), with_labels(block, part, labels)
    joined = make_kernel(x, bandwidths, combine, 10)
    found = joined.matrix(joined.centred(x), joined.centred(y))
    for i, j in np.ndindex(found.shape):
        of_rows = [math.exp(-float(((target[i] - part[j]) ** 2).sum()) / (2 * s**2)) for s in bandwidths]
        unlike = target_labels[i] != labels[j]
        of_labels = [math.exp(-((2.5 * relative) ** 2) / (2 * s**2)) if unlike else 1.0 for s in bandwidths]
        truth = sum(a * b for a, b in zip(of_rows, of_labels, strict=True)) / (2 if combine == "mean" else 1)
        assert found[i, j] == pytest.approx(truth, rel=1e-12)


def test_flipped_labels_are_seen_by_every_form_with_labels_and_by_none_without() -> None:
    (target, target_labels), (part, labels) = world(300, 0), world(200, 1, flipped=0.5)
    median = median_bandwidth(target)
    bandwidths = tuple(median * one for one in MULTIPLIERS)
    block = label_block(target_labels, median)
    plain, aware = (target, part), (with_labels(block, target, target_labels), with_labels(block, part, labels))

    assert abs(mmd(*plain, bandwidths).squared) < 2 * mmd(*plain, bandwidths).standard_error
    assert mmd(*aware, bandwidths).squared > 4 * mmd(*aware, bandwidths).standard_error
    assert permutation_test(*plain, bandwidths, n_permutations=199).p_value > 0.05
    assert permutation_test(*aware, bandwidths, n_permutations=199).p_value == 1 / 200
    names = np.random.default_rng(2).integers(0, 2**63, size=500).astype(np.uint64)
    for (x, y), seen in ((plain, False), (aware, True)):
        fourier = fourier_features(bandwidths, x.shape[1], 500)
        found = embedding_mmd(embed(fourier, x, names[:300]), embed(fourier, y, names[300:]))
        assert (found.squared > 4 * math.hypot(found.standard_error, found.approximation_error)) is seen


def test_a_class_that_is_missing_or_rarer_is_seen() -> None:
    target_labels = np.repeat([0, 1, 2], 60)
    rows = np.random.default_rng(0).normal(size=(300, 3))  # that say nothing of the class
    block = label_block(target_labels, median_bandwidth(rows))
    x, y = with_labels(block, rows[:180], target_labels), with_labels(block, rows[180:], np.repeat([0, 2], 60))
    assert mmd(x, y, (1.0, 2.0)).squared > 4 * mmd(x, y, (1.0, 2.0)).standard_error
    plain = mmd(rows[:180], rows[180:], (1.0, 2.0))
    assert abs(plain.squared) < 2 * plain.standard_error


def test_tensors_and_arrays_are_alike() -> None:
    rows, labels = world(6, 0)
    block = label_block(torch.from_numpy(labels), 1.0)
    assert block.classes.tolist() == [3, 8]
    found = with_labels(block, torch.from_numpy(rows), torch.from_numpy(labels))
    assert found.tolist() == with_labels(block, rows, labels).tolist()
    assert found.shape == (6, 7)


def test_labels_outside_the_target_are_refused() -> None:
    rows, labels = world(6, 0)
    block = label_block(labels, 1.0)
    for outside in (2, 5, 9):
        with pytest.raises(ContractError, match=rf"T's 2 classes \(3, 8\), found {outside} in 1 of 6 rows. Map the labels"):
            with_labels(block, rows, np.where(np.arange(6) == 4, outside, labels))


def test_inputs_that_do_not_fit_are_refused() -> None:
    rows, labels = world(6, 0)
    block = label_block(labels, 1.0)
    with pytest.raises(ShapeError, match="one label a row, found 6 rows and 5 labels"):
        with_labels(block, rows, labels[:5])
    with pytest.raises(ShapeError, match=r"expected \(N,\) integers, found float64"):
        with_labels(block, rows, labels.astype(np.float64))
    for median, relative in ((0.0, 1.0), (1.0, 0.0), (1.0, -1.0), (math.inf, 1.0), (-1.0, -1.0)):
        with pytest.raises(NumericalError, match=r"positive, finite distances.*leave the block out"):
            label_block(labels, median, relative)
    with pytest.raises(NumericalError, match="found 0 rows"):
        label_block(labels[:0], 1.0)
