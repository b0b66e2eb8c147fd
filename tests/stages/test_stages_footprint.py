"""Memory of a gradient pass by the probe, against what a pass must keep."""

from __future__ import annotations

import pyarrow as pa
import pytest
import torch
from torch import nn

from mixval.stages.footprint import activation_bytes, longest_row

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
