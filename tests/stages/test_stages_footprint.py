"""Memory of a gradient pass by the probe, against what a pass must keep."""

from __future__ import annotations

import pyarrow as pa
import pytest
import torch
from torch import nn

from mixval.stages.footprint import MEASURED_TOKENS, activation_bytes, longest_row, of_length, of_longest

WIDTH, LAYERS = 64, 5


@pytest.mark.parametrize("n_tokens", [10, 40])
def test_every_layers_activations_count_once_and_parameters_do_not(n_tokens: int) -> None:
    layers = [module for _ in range(LAYERS) for module in (nn.Linear(WIDTH, WIDTH), nn.Tanh())]
    module = nn.Sequential(*layers)
    rows = torch.randn(n_tokens, WIDTH)
    # Tanh saves what it gives, which is also what the next layer saves; the first one saves the rows. Twice one for gradients.
    assert activation_bytes(module, lambda: module(rows).sum().backward()) == (LAYERS + 1 + 2) * n_tokens * WIDTH * 4


def test_a_pass_that_saves_nothing_keeps_nothing() -> None:
    module = nn.Linear(2, 2).requires_grad_(False)
    assert activation_bytes(module, lambda: module(torch.ones(1, 2))) == 0


def test_the_longest_row_is_by_its_texts() -> None:
    rows = pa.table({"prompt": ["aa", "a", "a"], "response": ["b", "bbbb", None], "label": [900, 1, 2]})
    assert longest_row(rows)["prompt"].to_pylist() == ["a"]
    assert longest_row(rows)["response"].to_pylist() == ["bbbb"]


@pytest.mark.parametrize("limit", [128, 256, 512, 4096])
def test_rows_are_planned_as_long_as_they_may_be(limit: int) -> None:
    asked = []

    def measured(n_tokens: int) -> int:
        asked.append(n_tokens)
        return 1_000 * n_tokens + 3 * n_tokens**2

    assert of_longest(measured, 20, limit) == pytest.approx(1_000 * limit + 3 * limit**2, rel=1e-9)
    assert max(asked) == min(limit, MEASURED_TOKENS)


def test_what_grows_less_than_the_tokens_is_planned_as_if_it_grew_with_them() -> None:
    assert of_longest(lambda n_tokens: 1_000 + n_tokens, 20, 2 * MEASURED_TOKENS) == 2 * (1_000 + MEASURED_TOKENS)


def test_rows_that_are_as_long_as_they_may_be_are_measured_themselves() -> None:
    assert of_longest(lambda n_tokens: n_tokens**3, 600, 600) == 600**3
    assert of_longest(lambda _: 7, 0, 0) == 7  # images have no tokens


@pytest.mark.parametrize("n_tokens", [2, 3, 7])
def test_a_row_is_repeated_or_cut_to_a_length(n_tokens: int) -> None:
    batch = {name: torch.tensor([[1, 2, 3]]) for name in ("input_ids", "targets")} | {"is_truncated": torch.tensor([False])}
    longer = of_length(batch, n_tokens)
    assert longer["input_ids"].tolist() == longer["targets"].tolist() == [[1, 2, 3, 1, 2, 3, 1][:n_tokens]]
    assert longer["is_truncated"].tolist() == [False]


def test_an_image_has_no_length() -> None:
    pixels = torch.zeros(1, 3, 3, 3)
    assert of_length({"pixels": pixels}, 256)["pixels"] is pixels
