"""Gram blocks: cut anywhere, in any order and form, they are the same kernel."""

import pytest
import torch
from ntk_reference import own_logit, relative, split
from torch import Tensor, nn

from mixval.errors import ShapeError
from mixval.terms.ntk.capture import capture
from mixval.terms.ntk.contribution import Factors
from mixval.terms.ntk.gram import gram_block
from mixval.terms.ntk.slice import GradientSlice, WeightGradients

NAMES = ["0.weight", "2.weight", "2.bias", "5.weight"]


@pytest.fixture(scope="module")
def module() -> nn.Module:
    torch.manual_seed(0)
    layers = (nn.Conv2d(2, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(64, 20))
    return nn.Sequential(*layers).double().eval()


@pytest.fixture(scope="module")
def rows() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {"x": torch.randn(11, 2, 8, 8, generator=generator, dtype=torch.float64), "y": torch.arange(11) % 20}


def captured(module: nn.Module, rows: dict[str, Tensor], form: str = "auto") -> GradientSlice:
    return capture(module, NAMES, own_logit(module), split(rows, 4), form)


def part(rows: dict[str, Tensor], index: slice | Tensor) -> dict[str, Tensor]:
    return {key: value[index] for key, value in rows.items()}


def test_uneven_slices_of_any_form_fit_together(module: nn.Module, rows: dict[str, Tensor]) -> None:
    whole = captured(module, rows)
    theta = gram_block(whole, whole)
    cuts = [(slice(0, 2), "factors"), (slice(2, 9), "gradient"), (slice(9, 11), "auto")]
    slices = [(cut, captured(module, part(rows, cut), form)) for cut, form in cuts]
    for a, left in slices:
        for b, right in slices:
            assert relative(gram_block(left, right), theta[a, b]) <= 1e-12


def test_order_of_rows_only_permutes(module: nn.Module, rows: dict[str, Tensor]) -> None:
    order = torch.randperm(11, generator=torch.Generator().manual_seed(2))
    theta = gram_block(*[captured(module, rows)] * 2)
    permuted = gram_block(*[captured(module, part(rows, order))] * 2)
    assert relative(permuted, theta[order][:, order]) <= 1e-12


@pytest.mark.parametrize("form", ["auto", "gradient", "factors"])
def test_memory_bound_does_not_change_the_result(module: nn.Module, rows: dict[str, Tensor], form: str) -> None:
    found = captured(module, rows, form)
    for block_bytes in (1, 1000, 100_000):
        assert relative(gram_block(found, found, block_bytes), gram_block(found, found)) <= 1e-12


@pytest.mark.parametrize("form", ["auto", "gradient", "factors"])
def test_symmetric_positive_and_repeatable(module: nn.Module, rows: dict[str, Tensor], form: str) -> None:
    found = captured(module, rows, form)
    theta = gram_block(found, found)
    assert torch.equal(theta, theta.T)
    assert torch.equal(theta, gram_block(found, found))
    assert float(torch.linalg.eigvalsh(theta)[0]) >= -1e-12 * float(theta.diagonal().mean())
    # A copy is another object: the whole is computed, with no mirroring.
    copy = GradientSlice(found.outputs.clone(), found.weights)
    assert relative(gram_block(found, copy), theta) <= 1e-12


def test_ids_and_dense_sides_are_one_mathematics() -> None:
    generator = torch.Generator().manual_seed(4)
    ids = torch.randint(0, 5, (6, 3), generator=generator)
    right = torch.randn(6, 3, 2, generator=generator, dtype=torch.float64)
    one_hot = nn.functional.one_hot(ids, 5).double()
    dense = one_hot + 0.1 * torch.randn(6, 3, 5, generator=generator, dtype=torch.float64)
    named = (Factors(ids, right), Factors(dense, right))
    spelled = (Factors(one_hot, right), Factors(dense, right))
    matrix = torch.einsum("ntv,nti->nvi", one_hot + dense, right).flatten(1)
    truth = matrix @ matrix.T
    for uses in (named, spelled):
        # A table of a million columns' worth of cost would never be formed; a small one is: both routes are asked for.
        for rows in (5, 10**9):
            found = GradientSlice(torch.zeros(6, dtype=torch.float64), {"w": WeightGradients((rows, 2), (6,), (uses,))})
            assert relative(gram_block(found, found), truth) <= 1e-12


def test_other_parameters_are_refused(module: nn.Module, rows: dict[str, Tensor]) -> None:
    other = capture(module, NAMES[:2], own_logit(module), [rows])
    with pytest.raises(ShapeError, match=r"2\.bias|5\.weight"):
        gram_block(captured(module, rows), other)
