"""The obvious dense form of a preconditioned kernel: v of every coordinate, and whole scaled gradients."""

from collections.abc import Mapping

import torch
from torch import Tensor

from mixval.terms.ntk.preconditioner import EXPONENT


def dense_scales(gradients: Mapping[str, Tensor], floor: float) -> dict[str, Tensor]:
    """s of every coordinate, by parameter, from T's gradients (n, D0, D1, ...); they leave T's mean |g|^2 as it is."""
    squares = {name: (one**2).mean(0) for name, one in gradients.items()}
    overall = sum(float(v.sum()) for v in squares.values()) / sum(v.numel() for v in squares.values())
    factored, scales = {}, {}
    for name, v in squares.items():
        grid = v.reshape(len(v), v.shape[1] if v.ndim > 1 else 1, -1).mean(2)
        mean = float(grid.mean())
        if mean == 0:
            factored[name], scales[name] = torch.zeros_like(v), torch.ones_like(v)
            continue
        rows, columns = grid.mean(1, keepdim=True), grid.mean(0, keepdim=True)
        floored = (rows + floor * mean) * (columns + floor * mean) * (mean + floor * overall) / ((1 + floor) * mean) ** 2
        factored[name] = spread(rows * columns / mean, v)
        scales[name] = spread(floored**-EXPONENT, v)
    before = sum(float(v.sum()) for v in factored.values())
    after = sum(float((scales[name] ** 2 * v).sum()) for name, v in factored.items())
    used = {name for name, v in factored.items() if v.any()}
    return {name: s * (before / after) ** 0.5 if name in used else s for name, s in scales.items()}


def spread(grid: Tensor, like: Tensor) -> Tensor:
    """(D0, D1) over the other dimensions of a weight."""
    shape = (*like.shape[:2], *(1 for _ in like.shape[2:])) if like.ndim > 1 else like.shape
    return grid.reshape(shape).expand(like.shape)


def dense_preconditioned(gradients: Mapping[str, Tensor], scales: Mapping[str, Tensor]) -> Tensor:
    """(n, n): products of whole scaled gradients."""
    matrix = torch.cat([(one * scales[name]).flatten(1) for name, one in gradients.items()], 1)
    return matrix @ matrix.T
