"""The exact NTK of n rows within a budget of bytes, one group of layers after the other.

Letters: n rows; P chosen parameters; G groups of weights.

    Theta = sum over groups g of J_g J_g',   J_g (n, P_g) the gradients over one group's weights

For each group one pass runs over all rows; the group's gradients are stored for all rows, multiplied into Theta, and freed. No
n x P array ever exists, and the backward pass ends at the group's lowest layer: G groups take G forward passes and about G / 2
backward passes through layers, while each weight's gradients are formed once. Repeating a pass is cheaper than writing
gradients to storage: they are 20 MB a row for a Llama of 7 million weights on 128 tokens.

A weight whose gradients do not fit for all rows is a group by itself, and rows are cut into ranges: a range is in memory while
all later rows stream past it in slices, and the next range follows. R ranges take (R + 1) / 2 passes.

    share of the budget     use
    3/4                     gradients of the range in memory
    1/8                     gradients of the rows that stream past: a slice of half of it, and the batch that did not fit in
    1/8                     products: gradients formed, position pairs

Not in the budget: Theta, 8 n^2 bytes, and the forward and backward pass of a batch.
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
from mixval.terms.ntk.preconditioner import Preconditioner
from mixval.terms.ntk.slice import GradientSlice

RowsFrom = Callable[[int], Iterable[Batch]]
"""From a row's number to the batches of that row and all later ones: the same rows every time."""


@dataclass(frozen=True)
class Kernel:
    """The empirical NTK of n rows."""

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
    preconditioner: Preconditioner | None = None,
) -> Kernel:
    """Outputs and kernel of n rows over the weights of all groups, see `layer_groups`.

    Whatever the groups, the budget and the batches are, the result is the same to rounding. With a `preconditioner` it is the
    kernel of gradients that are scaled by it. `verify` compares one row of the
    first batch with plain autograd, group by group. Raises what `capture` raises, and CapacityError for a budget below 1 byte
    or for no groups.
    """
    if budget_bytes < 1 or not groups:
        raise CapacityError(
            f"a kernel needs a budget of bytes and at least one group of weights, found {budget_bytes} bytes and "
            f"{len(groups)} groups. Raise `runtime.gradient_bytes`, or choose other `ntk.parameters`."
        )
    limits = [int(GRADIENTS_SHARE * budget_bytes), int(STREAMED_SHARE / 2 * budget_bytes), int(PRODUCTS_SHARE * budget_bytes)]
    device = next(module.parameters()).device
    theta = torch.zeros(n_rows, n_rows, dtype=torch.float64, device=device)
    outputs: list[Tensor] = []
    for names in groups:
        start = 0
        while start < n_rows:
            per_slice = itertools.chain(limits[:1], itertools.repeat(limits[1]))
            is_verified = verify and start == 0
            slices = capture_slices(
                module, names, scalar, rows_from(start), per_slice, verify=is_verified, preconditioner=preconditioner
            )
            current = next(slices)
            seen = [current.outputs, *_add_products(theta, current, slices, start, limits[2])]
            outputs = outputs or seen
            start += current.n
            del current  # before the next range is captured
    mirror(theta)
    return Kernel(torch.cat(outputs), theta)


def _add_products(
    theta: Tensor, current: GradientSlice, later: Iterator[GradientSlice], start: int, block_bytes: int
) -> list[Tensor]:
    """Add the products of the range from `start` on with itself and with all later rows; returns the outputs of those."""
    at = start + current.n
    rows, seen = slice(start, at), []
    add_gram(theta[rows, rows], current, current, block_bytes)
    while (one := next(later, None)) is not None:
        add_gram(theta[rows, at : at + one.n], current, one, block_bytes)
        seen.append(one.outputs)
        at += one.n
        del one  # before the next slice is captured
    return seen
