"""Eq. 8 of arXiv 2511.13640 the obvious way: whole matrices, double sums, a general solve. All float64.

    L = mean cross-entropy of a part        D = MMD(T, part)        N = sqrt(r' (Theta + lambda I)^-1 r / n)
    term = pi x(S1) + (1 - pi) x(S2) for L and D;  composition = sqrt(max(pi, 1 - pi) / |S|)

What mixval is held against: no code is shared with its terms and stages, nothing is tiled, padded, factorised or kept as
factors. `dense_rows.py` gives what a single row brings, `dense_mmd.py` the discrepancy.
"""

import hashlib
import itertools
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.dense_mmd import bandwidths, clamped, compared, features, median_distance, squared_mmd
from benchmarks.dense_rows import DenseRows, read_rows
from mixval.config.sample import SampleConfig
from mixval.config.terms import LossConfig, NtkConfig
from mixval.config.valuation import ValuationConfig
from mixval.models.load import load_backbone
from mixval.seeds import derive_seed

Array = NDArray[np.float64]
Places = list[int]


def dense_rows(folders: Sequence[Path], config: ValuationConfig, classes: Sequence[int] | None) -> list[DenseRows]:
    """The rows of every Parquet file below each folder, under the configured weights in float64."""
    backbone = config.backbone.model_copy(update={"dtype": "float64"})
    module = load_backbone(backbone, config.task, None if classes is None else list(classes)).module
    return [DenseRows(module, read_rows(folder), classes) for folder in folders]


def dense_terms(rows: DenseRows, target: DenseRows, config: ValuationConfig) -> dict[str, float]:
    """The four terms of the contributor that has these rows, and by part: `loss/real`, `discrepancy/synthetic`, ..."""
    of_target = drawn(target, config.discrepancy.target_sample, config.seed)
    widths = bandwidths(target, of_target, config.discrepancy)
    samples = drawn(rows, config.sample, config.seed), drawn(rows, config.ntk.sample, config.seed)
    return terms_of(rows, *samples, target, of_target, widths, config)


def terms_of(
    rows: DenseRows,
    seen: Places,
    with_gradient: Places,
    target: DenseRows,
    of_target: Places,
    widths: list[float],
    config: ValuationConfig,
) -> dict[str, float]:
    """The same from the rows at given places; pi and |S| are those of all rows."""
    parts = {"real": [i for i in seen if rows.is_real[i]], "synthetic": [i for i in seen if not rows.is_real[i]]}
    n, n_real = len(rows), int(rows.is_real.sum())
    share = {"real": n_real / n, "synthetic": 1 - n_real / n}
    losses = {part: mean_loss(rows, at, config.loss) for part, at in parts.items() if at}
    squared = squared_distances(rows, seen, target, of_target, widths, config)
    distances = {part: clamped(value, config.discrepancy) for part, value in squared.items()}
    terms = {
        "loss": sum(share[part] * value for part, value in losses.items()),
        "discrepancy": sum(share.get(part, 1.0) * value for part, value in distances.items()),
        "ntk": ntk(rows, with_gradient, config.ntk),
        "composition": math.sqrt(max(share.values()) / n),
    }
    split = {f"discrepancy/{part}": value for part, value in distances.items() if part}
    return terms | {f"loss/{part}": value for part, value in losses.items()} | split


def squared_distances(
    rows: DenseRows, seen: Places, target: DenseRows, of_target: Places, widths: list[float], config: ValuationConfig
) -> dict[str, float]:
    """Squared MMD from T of the parts, `real` and `synthetic`, or of both together, ``."""
    switches = config.discrepancy
    parts = {"real": [i for i in seen if rows.is_real[i]], "synthetic": [i for i in seen if not rows.is_real[i]]}
    chosen = {"": seen} if switches.parts == "pooled" else {part: at for part, at in parts.items() if at}
    median = median_distance(features(target, of_target, switches))
    t = compared(target, of_target, switches, median)
    return {
        part: squared_mmd(t, compared(rows, at, switches, median), widths, switches, config.seed) for part, at in chosen.items()
    }


def bound(terms: dict[str, float], n_real: int, n: int, delta: float, constant: float) -> float:
    """Theorem 1 without epsilon."""
    larger = max(n_real / n, 1 - n_real / n)
    last = 3 * math.sqrt(2 * larger * math.log(8 / delta) / n)
    return terms["loss"] + terms["discrepancy"] + constant * terms["ntk"] + last


def mean_loss(rows: DenseRows, places: Places, switches: LossConfig) -> float:
    """Mean over rows of each row's mean, or summed loss over summed tokens."""
    losses, counts = rows.losses[places], rows.counts[places]
    return float(losses.sum() / counts.sum()) if switches.average == "token" else float(np.mean(losses / counts))


def ntk(rows: DenseRows, places: Places, switches: NtkConfig) -> float:
    """sqrt(r' (Theta + lambda I)^-1 r / n), blocks of Theta being runs of `places`."""
    gradients = rows.gradients(switches.output, switches.parameters)[places]
    theta = gradients @ gradients.T
    r = 1 - (rows.outputs(switches.output) if switches.residual == "one-minus-output" else rows.probabilities)[places]
    n, n_blocks = len(r), min(switches.n_blocks, len(r))
    damping = switches.damping * (np.trace(theta) / n if switches.damping_mode == "relative" else 1.0)
    edges = [round(k * n / n_blocks) for k in range(n_blocks + 1)]
    value = 0.0
    for low, high in itertools.pairwise(edges):
        own = theta[low:high, low:high] + damping * np.eye(high - low)
        value += float(r[low:high] @ np.linalg.solve(own, r[low:high]))
    return math.sqrt(value / n)


def drawn(rows: DenseRows, sample: SampleConfig, seed: int) -> Places:
    """Places of the sampled rows in order of their keys: of each part those with the smallest."""
    keys = content_keys(rows, seed)
    parts = [[i for i in range(len(rows)) if rows.is_real[i] == real] for real in (True, False)]
    wanted = [len(part) for part in parts]
    if sample.fraction is not None:
        wanted = [math.floor(sample.fraction * len(part) + 0.5) for part in parts]
    elif sample.count is not None and sample.count < len(rows):
        real = math.floor(sample.count * len(parts[0]) / len(rows) + 0.5)
        wanted = [real, sample.count - real]
    chosen = [sorted(part, key=lambda i: keys[i])[:k] for part, k in zip(parts, wanted, strict=True)]
    return sorted(chosen[0] + chosen[1], key=lambda i: keys[i])


def content_keys(rows: DenseRows, seed: int) -> list[int]:
    """Each row's uniform 64-bit key: a digest of its content, the seed, and the number of equal rows before."""
    met: Counter[bytes] = Counter()
    salt, keys = derive_seed("sample", seed).to_bytes(8, "little"), []
    for row in rows.rows:
        state = hashlib.blake2b(digest_size=16)
        for part in map(_as_bytes, _inputs(row)):
            state.update(len(part).to_bytes(8, "little") + part)
        name = state.digest() + f"\x1f{row.get('label')}\x1f{row['origin']}".encode()
        identity = hashlib.blake2b(name, digest_size=16).digest()
        repeat = met[identity].to_bytes(8, "little")
        keys.append(int.from_bytes(hashlib.blake2b(identity + repeat, digest_size=8, salt=salt).digest(), "little"))
        met[identity] += 1
    return keys


def _inputs(row: dict[str, Any]) -> Sequence[Any]:
    return [row[name] for name in ("image", "text", "prompt", "response") if name in row]


def _as_bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else str(value.shape).encode() + value.tobytes()
