"""Hashes of the character n-grams and words of byte rows: integers that are equal where the bytes are, on every machine.

Letters: B rows, T bytes, n bytes of an n-gram. Ids 0 to 255 are bytes, others special tokens, as `byte_tokenizer` gives them.
All arithmetic is int64 modulo 2^64, which wraps the same way on every device: h = sum of b_j P^j with P odd, so that the hash
of a run of bytes is a difference of prefix sums times a power of P's inverse. A word is a run of letters, digits and bytes
above 127 (letters of other scripts); case is folded where the caller asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_P = 0x9E3779B97F4A7C15
_P_INVERSE = pow(_P, -1, 2**64)
_SPACE = 32


@dataclass(frozen=True)
class Runs:
    """Words of byte rows, at each position."""

    is_end: Tensor
    """(B, T) bool: whether a word ends here."""
    prefix: Tensor
    """(B, T) int64: hash of the word's bytes up to here; 0 outside words."""
    length: Tensor
    """(B, T) int64: how many bytes those are."""


def signed(value: int) -> int:
    """The int64 with the same bits as `value` modulo 2^64."""
    value %= 2**64
    return value - 2**64 if value >= 2**63 else value


def folded(ids: Tensor) -> Tensor:  # (B, T) int64 -> (B, T) int64
    """Ids with capital letters made small and everything that is in no word made a space."""
    table = torch.full((256,), _SPACE, dtype=torch.int64)
    for byte in range(256):
        if byte > 127 or chr(byte).isalnum():
            table[byte] = byte + 32 if 65 <= byte <= 90 else byte
    table = table.to(ids.device)
    return torch.where(ids < 256, table[ids.clamp(max=255)], _SPACE)


def is_word(ids: Tensor) -> Tensor:  # (B, T) bool
    """Whether each id is in a word."""
    return folded(ids) != _SPACE


def windows(ids: Tensor, n: int) -> Tensor:  # (B, T) -> (B, T) int64
    """Hash of the n ids that end at each position; ids before the row count as spaces."""
    padded = torch.nn.functional.pad(ids, (n - 1, 0), value=_SPACE)
    hashes = torch.zeros_like(ids)
    for offset in range(n):
        hashes = hashes * signed(_P) + padded[:, offset : offset + ids.shape[1]] + 1
    return hashes


def runs(ids: Tensor) -> Runs:  # (B, T)
    """The words of each row."""
    inside, place = is_word(ids), torch.arange(ids.shape[1], device=ids.device)
    power, inverse = _powers(ids.shape[1], ids.device)
    sums = torch.nn.functional.pad((ids + 1) * power, (1, 0)).cumsum(1)  # sums[:, t]: of the ids before t
    start = torch.where(inside, -1, place).cummax(1).values + 1  # of the run that each position is in
    prefix = (sums[:, 1:] - sums.gather(1, start)) * inverse[start]
    after = torch.nn.functional.pad(inside[:, 1:], (0, 1))
    return Runs(inside & ~after, torch.where(inside, prefix, 0), torch.where(inside, place - start + 1, 0))


def latest(values: Tensor, is_here: Tensor) -> Tensor:  # (B, T), (B, T) bool -> (B, T)
    """The value at the last position up to each one where `is_here`; 0 where there is none."""
    place = torch.arange(values.shape[1], device=values.device)
    found = torch.where(is_here, place, -1).cummax(1).values
    return torch.where(found < 0, 0, values.gather(1, found.clamp(min=0)))


def places(hashes: Tensor, salt: int, n_features: int) -> tuple[Tensor, Tensor]:
    """For each hash a feature from 0 to n_features - 1 and a sign, both int64 and both random in the salt."""
    mixed = (hashes ^ signed(salt)) * signed(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ _shifted(mixed, 29)) * signed(0x94D049BB133111EB)
    mixed = mixed ^ _shifted(mixed, 32)
    return _shifted(mixed, 8) % n_features, 1 - 2 * (mixed & 1)


def _shifted(values: Tensor, bits: int) -> Tensor:
    """A shift to the right that fills up with zeros."""
    return (values >> bits) & ((1 << (64 - bits)) - 1)


def _powers(n: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """(n,) P^t and (n + 1,) P^-t."""
    powers, inverses = [1], [1]
    for _ in range(n):
        powers.append(powers[-1] * _P % 2**64)
        inverses.append(inverses[-1] * _P_INVERSE % 2**64)
    made = (torch.tensor([signed(one) for one in some], device=device) for some in (powers[:n], inverses))
    first, second = made
    return first, second
