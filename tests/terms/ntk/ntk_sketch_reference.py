"""Sketches as their definition has them: whole gradients times a whole matrix, coordinate by coordinate."""

from collections.abc import Callable

import numpy as np
import torch
from ntk_reference import Batch, Scalar, dense_gradients
from torch import Tensor, nn

from mixval.terms.ntk.hashing import CountHash, TensorHash, count_hash, tensor_hash
from mixval.terms.ntk.sketch import SketchPlan


def sketch_matrix(hashed: CountHash | TensorHash, shape: tuple[int, int]) -> Tensor:
    """(q, O I) float64 with one sign in each column."""
    size = shape[0] * shape[1]
    if isinstance(hashed, CountHash):
        q, signs, buckets = hashed.width, *_columns(hashed)
    else:
        q, (own_signs, own_buckets) = hashed.columns.width, _columns(hashed.columns)
        signs = np.multiply.outer(hashed.signs.numpy(), own_signs).reshape(-1)
        buckets = np.add.outer(hashed.buckets.numpy(), own_buckets).reshape(-1) % q
    dense = np.zeros((q, size))
    dense[buckets, np.arange(size)] = signs
    return torch.from_numpy(dense)


def _columns(hashed: CountHash) -> tuple[np.ndarray, np.ndarray]:
    j = np.arange(hashed.size)
    signs = np.unpackbits(hashed.bits)[: hashed.size].astype(float) * 2 - 1
    return signs, (j % hashed.width + hashed.rotations[j // hashed.width]) % hashed.width


def sketch_by_definition(module: nn.Module, plan: SketchPlan, scalar: Callable[[nn.Module], Scalar], batch: Batch) -> Tensor:
    """(n, q) float64 sketches."""
    total = torch.zeros(len(next(iter(batch.values()))), plan.width, dtype=torch.float64)
    for name, found in dense_gradients(module, list(plan.routes), scalar, batch).items():
        gradient, shape = found, (found.shape[1], found[0, 0].numel())
        hashed: CountHash | TensorHash
        if plan.routes[name] == "tensor":
            hashed = tensor_hash(plan.width, shape, plan.seed, name)
            if found.ndim > 3:  # a convolution's columns are counted tap by tap, then by channel
                gradient = found.movedim(2, -1)
        else:
            hashed = count_hash(plan.width, shape[0] * shape[1], plan.seed, name)
        total += gradient.reshape(len(total), -1).double() @ sketch_matrix(hashed, shape).T
    return total
