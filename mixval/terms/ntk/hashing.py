"""Signs and buckets of gradient sketches, the same on every machine: raw Philox streams keyed by seed and parameter name.

    count     coordinate j of the flattened weight, j = k q + t:  bucket (t + a_k) mod q, sign s_j
    tensor    coordinate (o, i) of the weight as a matrix:        bucket (h_o + h'_i) mod q, sign s_o s'_i

`count` is the count-sketch (Charikar, Chen, Farach-Colton, 2002) with a random rotation a_k of each run of q coordinates in
place of a bucket of its own for each: signs alone make it unbiased, and runs are added at the speed of memory. `tensor` is
the TensorSketch (Pham and Pagh, KDD 2013): the sketch of an outer product is the cyclic convolution of two short sketches.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mixval.seeds import derive_seed


@dataclass(frozen=True)
class CountHash:
    """Of a weight of `size` coordinates. Holds one bit a coordinate."""

    width: int
    """q."""
    size: int
    """Coordinates of the weight."""
    bits: NDArray[np.uint8]
    """(size / 8,) packed signs, one bit a coordinate; 1 is +."""
    rotations: NDArray[np.int64]
    """(runs,) a_k in [0, q)."""

    def signs(self, start: int, stop: int) -> Tensor:
        """(stop - start,) float32 of -1 and +1."""
        low = start // 8
        unpacked = np.unpackbits(self.bits[low : -(-stop // 8)])[start - 8 * low : stop - 8 * low]
        return torch.from_numpy(unpacked).float().mul_(2).sub_(1)

    def add_dense(self, sums: Tensor, values: Tensor, start: int) -> None:
        """Add coordinates `start` and following, values (B, L), to the sketch sums (B, q)."""
        signs = self.signs(start, start + values.shape[1]).to(values)
        at, stop = start, start + values.shape[1]
        while at < stop:
            run, place = divmod(at, self.width)
            bucket = (place + int(self.rotations[run])) % self.width
            length = min(self.width - place, self.width - bucket, stop - at)
            own = slice(at - start, at - start + length)
            sums[:, bucket : bucket + length].addcmul_(values[:, own], signs[own])
            at += length

    def add_rows(self, sums: Tensor, rows: Tensor, values: Tensor) -> None:
        """Add values (B, T, I) that belong to rows (B, T) of a weight with I columns to the sketch sums (B, q)."""
        n, _, columns = values.shape
        used, inverse = torch.unique(rows, return_inverse=True)
        flat = (used[:, None] * columns + torch.arange(columns, device=rows.device)).cpu().numpy()  # (U, I)
        signs = ((self.bits[flat >> 3] >> (7 - (flat & 7)).astype(np.uint8)) & 1).astype(np.float32) * 2 - 1
        buckets = torch.from_numpy((flat % self.width + self.rotations[flat // self.width]) % self.width).to(rows.device)
        signed = values * torch.from_numpy(signs).to(values)[inverse]
        place = buckets[inverse] + (torch.arange(n, device=rows.device) * self.width)[:, None, None]
        sums.view(-1).index_add_(0, place.view(-1), signed.reshape(-1))


@dataclass(frozen=True)
class TensorHash:
    """Of a weight of O x I."""

    width: int
    """q."""
    buckets: tuple[Tensor, Tensor]
    """(O,) and (I,) int64 in [0, q)."""
    signs: tuple[Tensor, Tensor]
    """(O,) and (I,) float32 of -1 and +1."""

    def add_factors(self, spectrum: Tensor, left: Tensor, right: Tensor) -> None:
        """Add sum_t left[i, t] (x) right[i, t], (B, T, O) and (B, T, I), to the spectra (B, q / 2 + 1) of the sketches."""
        spectrum += (self._spectrum(left, 0) * self._spectrum(right, 1)).sum(1)

    def _spectrum(self, factor: Tensor, side: int) -> Tensor:
        """(B, T, q / 2 + 1) complex."""
        n, positions, length = factor.shape
        signed = factor.reshape(n * positions, length).T * self.signs[side].to(factor)[:, None]
        short = factor.new_zeros(self.width, n * positions).index_add_(0, self.buckets[side].to(factor.device), signed)
        spectra: Tensor = torch.fft.rfft(short.T.contiguous())
        return spectra.view(n, positions, -1)


def count_hash(width: int, size: int, seed: int, name: str) -> CountHash:
    """The count hash of the parameter `name` with `size` coordinates."""
    bits = _raw(-(-size // 64), seed, name, "signs").view(np.uint8)
    rotations = _raw(-(-size // width), seed, name, "rotations") % np.uint64(width)
    return CountHash(width, size, bits, rotations.astype(np.int64))


def tensor_hash(width: int, shape: tuple[int, int], seed: int, name: str) -> TensorHash:
    """The tensor hash of the parameter `name` of shape (O, I)."""
    drawn = [_raw(side, seed, name, "tensor", i) for i, side in enumerate(shape)]
    # The lowest bit is the sign, the others the bucket: independent of each other, since q takes at most 32 of them.
    buckets = [torch.from_numpy(((words >> np.uint64(32)) % np.uint64(width)).astype(np.int64)) for words in drawn]
    signs = [torch.from_numpy((words & np.uint64(1)).astype(np.float32) * 2 - 1) for words in drawn]
    return TensorHash(width, (buckets[0], buckets[1]), (signs[0], signs[1]))


def _raw(n: int, seed: int, *names: str | int) -> NDArray[np.uint64]:
    """n raw 64-bit words, the same on every platform (little-endian in memory) and NumPy version."""
    words: NDArray[np.uint64] = np.random.Philox(key=derive_seed(seed, "gradient-sketch", *names)).random_raw(n)
    return words.astype("<u8", copy=False)
