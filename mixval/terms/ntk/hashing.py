"""Signs and buckets of gradient sketches, the same on every machine: raw Philox streams keyed by seed and parameter name.

    count     coordinate j of the flattened weight, j = k q + t:      bucket (t + a_k) mod q, sign s_j
    tensor    coordinate (o, i) of the weight as a matrix, i = k q + t:  bucket (h_o + t + a_k) mod q, sign s_o s'_i

`count` is the count-sketch (Charikar, Chen, Farach-Colton, 2002) with a random rotation a_k of each run of q coordinates in
place of a bucket of its own for each. Two coordinates of one run never meet, two of different runs do with probability 1 / q,
so Var <phi_i, phi_j> = (1 / q) sum over pairs of different runs of (x_a^2 y_b^2 + x_a y_a x_b y_b) <= 2 |x|^2 |y|^2 / q, as for
independent buckets, and runs are added at the speed of memory: 0.2 to 0.3 ns a coordinate of one CPU core.

`tensor` is the TensorSketch (Pham and Pagh, KDD 2013): the sketch of an outer product is the cyclic convolution of two short
sketches. The longer side's is a count-sketch as above: with independent h_o, two coordinates still meet with probability 1 / q
at most, which, with signs independent in fours, is all that the bound Var <= (3^2 - 1) |x|^2 |y|^2 / q needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mixval.seeds import derive_seed


@dataclass(frozen=True)
class CountHash:
    """Of `size` coordinates. Holds one bit a coordinate."""

    width: int
    """q."""
    size: int
    """Coordinates."""
    bits: NDArray[np.uint8]
    """(size / 8,) packed signs, one bit a coordinate; 1 is +."""
    rotations: NDArray[np.int64]
    """(runs,) a_k in [0, q)."""

    def signs(self, start: int, stop: int, like: Tensor) -> Tensor:
        """(stop - start,) of -1 and +1, of the type and on the device of `like`. Takes about 0.5 ns a coordinate."""
        low = start // 8
        unpacked = np.unpackbits(self.bits[low : -(-stop // 8)])[start - 8 * low : stop - 8 * low]
        return torch.from_numpy(unpacked).to(like.device).to(like.dtype).mul_(2).sub_(1)

    def add(self, sums: Tensor, values: Tensor, start: int, signs: Tensor) -> None:
        """Add coordinates `start` and following, values (..., L) with signs (L,), to the sketch sums (..., q).

        Sums may also be (..., 2 q), the two halves to be added up in the end: a run then is one addition and not two.
        """
        pieces = list(self._pieces(start, start + len(signs), sums.shape[-1]))
        lengths = [length for _, length in pieces]
        # Views of all pieces at once: a call for each took as long as adding a short one.
        for (bucket, length), own, sign in zip(
            pieces, values.split_with_sizes(lengths, -1), signs.split_with_sizes(lengths), strict=True
        ):
            sums.narrow(-1, bucket, length).addcmul_(own, sign)

    def add_rows(self, sums: Tensor, rows: Tensor, values: Tensor) -> None:
        """Add values (B, T, I) that belong to rows (B, T) of a weight with I columns to the sums (B, q) or (B, 2 q)."""
        n, _, columns = values.shape
        used, inverse = torch.unique(rows, return_inverse=True)
        flat = (used[:, None] * columns + torch.arange(columns, device=rows.device)).cpu().numpy()  # (U, I)
        signs = ((self.bits[flat >> 3] >> (7 - (flat & 7)).astype(np.uint8)) & 1).astype(np.float32) * 2 - 1
        room = sums.shape[1]
        buckets = torch.from_numpy((flat % self.width + self.rotations[flat // self.width]) % room).to(rows.device)
        signed = values * torch.from_numpy(signs).to(values)[inverse]
        place = buckets[inverse] + (torch.arange(n, device=rows.device) * room)[:, None, None]
        sums.view(-1).index_add_(0, place.view(-1), signed.reshape(-1))

    def _pieces(self, start: int, stop: int, room: int) -> Iterator[tuple[int, int]]:
        """Bucket and length of each run that is contiguous both in the weight and in `room` buckets, q or 2 q."""
        at = start
        while at < stop:
            run, place = divmod(at, self.width)
            bucket = (place + int(self.rotations[run])) % room
            length = min(self.width - place, room - bucket, stop - at)
            yield bucket, length
            at += length


@dataclass(frozen=True)
class TensorHash:
    """Of a weight of O x I."""

    buckets: Tensor
    """(O,) int64 h_o in [0, q)."""
    signs: Tensor
    """(O,) float32 of -1 and +1."""
    columns: CountHash
    """Of the I columns."""

    def spectrum(self, left: Tensor) -> Tensor:
        """(n, q / 2 + 1) spectra of the sketches of vectors (n, O)."""
        signed = left * self.signs.to(left)
        short = left.new_zeros(len(left), self.columns.width)
        short.scatter_add_(1, self.buckets.to(left.device).expand(signed.shape), signed)
        spectra: Tensor = torch.fft.rfft(short)
        return spectra


def count_hash(width: int, size: int, seed: int, name: str) -> CountHash:
    """The count hash of the parameter `name` with `size` coordinates."""
    bits = _raw(-(-size // 64), seed, name, "signs").view(np.uint8)
    rotations = _raw(-(-size // width), seed, name, "rotations") % np.uint64(width)
    return CountHash(width, size, bits, rotations.astype(np.int64))


def tensor_hash(width: int, shape: tuple[int, int], seed: int, name: str) -> TensorHash:
    """The tensor hash of the parameter `name` of shape (O, I)."""
    words = _raw(shape[0], seed, name, "rows")
    # The lowest bit is the sign, the upper half the bucket: independent of each other.
    buckets = torch.from_numpy(((words >> np.uint64(32)) % np.uint64(width)).astype(np.int64))
    signs = torch.from_numpy((words & np.uint64(1)).astype(np.float32) * 2 - 1)
    return TensorHash(buckets, signs, count_hash(width, shape[1], seed, f"{name}:columns"))


def _raw(n: int, seed: int, *names: str | int) -> NDArray[np.uint64]:
    """n raw 64-bit words, the same on every platform (little-endian in memory) and NumPy version."""
    words: NDArray[np.uint64] = np.random.Philox(key=derive_seed(seed, "gradient-sketch", *names)).random_raw(n)
    return words.astype("<u8", copy=False)
