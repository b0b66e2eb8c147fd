"""The exact tangent kernel of n rows within a budget of bytes, one group of layers after the other.

Letters: n rows; P chosen parameters; G groups of weights.

    Theta = sum over groups g of J_g J_g',   J_g (n, P_g) the gradients over one group's weights

For each group one pass runs over all rows; what its layers contribute is kept for all rows, multiplied into Theta, and freed.
No n x P array ever exists, and the backward pass ends at the group's lowest layer: G groups take G forward passes and about
G / 2 backward passes through layers, while each weight's gradients are formed once. Computing a pass again is cheaper than
storing gradients for somebody else: they are 20 MB a row for a Llama of 7 million weights on 128 tokens.

A weight that does not fit for all rows stands alone, and rows are cut: as many as fit are held, all later ones stream past
them in slices, and the next range of rows follows. R ranges take (R + 1) / 2 passes.

    share of the budget     holds
    3/4                     gradients of the rows held
    1/8                     gradients of the rows that stream past: a slice of half of it, and the batch that did not fit in
    1/8                     products: gradients formed, position pairs

Beside it stand Theta, 8 n^2 bytes, and what one forward and backward pass of a batch takes by itself.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mixval.errors import CapacityError
from mixval.terms.ntk.capture import Batch, Scalar, capture_slices, captured_batches
from mixval.terms.ntk.gram import add_gram, mirror
from mixval.terms.ntk.groups import GRADIENTS_SHARE, PRODUCTS_SHARE, STREAMED_SHARE
from mixval.terms.ntk.slice import GradientSlice

RowsFrom = Callable[[int], Iterable[Batch]]
"""From a row's number to the batches of that row and all later ones: the same rows every time."""


@dataclass(frozen=True)
class Kernel:
    """The tangent kernel of n rows."""

    outputs: Tensor
    """(n,) float64: f(x)."""
    theta: Tensor
    """(n, n) float64, symmetric."""


def weight_bytes(module: nn.Module, names: Sequence[str], scalar: Scalar, batch: Batch) -> dict[str, int]:
    """Bytes a row of each weight's gradients, measured on one batch, in the order of the backward pass.

    Raises what `capture` raises.
    """
    taken = next(captured_batches(module, names, scalar, [batch], verify=False))
    return {name: -(-weight.n_bytes // taken.n) for name, weight in taken.weights.items()}


def exact_kernel(
    module: nn.Module,
    groups: Sequence[Sequence[str]],
    scalar: Scalar,
    rows_from: RowsFrom,
    n_rows: int,
    budget_bytes: int,
    verify: bool = True,
) -> Kernel:
    """Outputs and kernel of n rows over the weights of all groups, see `layer_groups`.

    Whatever the groups, the budget and the batches are, the result is the same to rounding. `verify` compares one row of the
    first batch with plain autograd, group by group. Raises what `capture` raises, and CapacityError for a budget below 1 byte
    or for no groups.
    """
    if budget_bytes < 1 or not groups:
        raise CapacityError(
            f"a kernel needs a budget of bytes and weights that count, found {budget_bytes} bytes and {len(groups)} groups. "
            f"Raise `runtime.gradient_bytes`, or choose other `ntk.parameters`."
        )
    limits = [int(GRADIENTS_SHARE * budget_bytes), int(STREAMED_SHARE / 2 * budget_bytes), int(PRODUCTS_SHARE * budget_bytes)]
    device = next(module.parameters()).device
    theta = torch.zeros(n_rows, n_rows, dtype=torch.float64, device=device)
    outputs: list[Tensor] = []
    for names in groups:
        start = 0
        while start < n_rows:
            per_slice = itertools.chain(limits[:1], itertools.repeat(limits[1]))
            slices = capture_slices(module, names, scalar, rows_from(start), per_slice, verify=verify and start == 0)
            held = next(slices)
            seen = [held.outputs, *_add_products(theta, held, slices, start, limits[2])]
            outputs = outputs or seen
            start += held.n
            del held  # before the next range is captured
    mirror(theta)
    return Kernel(torch.cat(outputs), theta)


def _add_products(
    theta: Tensor, held: GradientSlice, later: Iterator[GradientSlice], start: int, block_bytes: int
) -> list[Tensor]:
    """Add the products of the held rows, from `start` on, with themselves and with all later ones; outputs of those."""
    at = start + held.n
    rows, seen = slice(start, at), []
    add_gram(theta[rows, rows], held, held, block_bytes)
    while (one := next(later, None)) is not None:
        add_gram(theta[rows, at : at + one.n], held, one, block_bytes)
        seen.append(one.outputs)
        at += one.n
        del one  # before the next slice is captured
    return seen
