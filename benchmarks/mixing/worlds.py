"""Worlds of real and generated rows as features of a frozen model, a linear head on which is what is trained.

Letters: n rows; q features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from mixval.evidence.baselines.linear_probe import standardised
from mixval.evidence.baselines.raw_inputs import outlines
from mixval.terms.arrays import Floats

POOL_ROWS, TEST_ROWS = 1200, 900
"""Rows that are read of either kind, and rows that trainings are measured on, drawn at random."""
TARGET_ROWS = 900
"""Further test rows, which are the target: with those above nearly all that the data have. A run reads up to 2,000."""
TEXT_FEATURES = 200
WRONG_LABELS = 0.4
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """Rows with the features that the linear head sees, a constant among them."""

    features: Floats
    """(n, q)."""
    labels: Labels
    """(n,)."""

    def take(self, places: npt.NDArray[np.int64]) -> Rows:
        """Those at these places."""
        return Rows(self.features[places], self.labels[places])

    def __add__(self, other: Rows) -> Rows:
        """The rows of both."""
        return Rows(np.concatenate([self.features, other.features]), np.concatenate([self.labels, other.labels]))


@dataclass(frozen=True)
class MixingWorld:
    """A pool of real and one of generated rows, the target, and rows on which trainings are measured."""

    name: str
    real: Rows
    synthetic: Rows
    target: Rows
    test: Rows
    n_classes: int


def worlds(data: Path, target_rows: int = TARGET_ROWS) -> list[MixingWorld]:
    """`images` (CIFAR-10 and Stable Diffusion 1.4), the same with wrong labels in the generated rows, and `reviews` (SST-2 and
    texts of language models).
    """
    images, reviews = _images(data, target_rows, 0), _reviews(data, target_rows, 0)
    return [images, _spoilt("images-noise", images, WRONG_LABELS, 7), reviews]


def development_worlds(data: Path, target_rows: int = TARGET_ROWS, seed: int = 101) -> list[MixingWorld]:
    """Other draws of the same data, with other shares of wrong labels: what choices are made by."""
    found = list[MixingWorld]()
    for name, plain, share in (
        ("images", _images(data, target_rows, seed), 0.5),
        ("reviews", _reviews(data, target_rows, seed), 0.3),
    ):
        found += [plain, _spoilt(f"{name}-noise", plain, share, 7 * seed + int(100 * share))]
    return found


def _spoilt(name: str, world: MixingWorld, share: float, seed: int) -> MixingWorld:
    """With so many of the generated rows' labels wrong."""
    labels, drawn = world.synthetic.labels.copy(), np.random.default_rng(seed)
    wrong = drawn.random(len(labels)) < share
    labels[wrong] = (labels[wrong] + drawn.integers(1, world.n_classes, int(wrong.sum()))) % world.n_classes
    return replace(world, name=name, synthetic=Rows(world.synthetic.features, labels))


def _images(data: Path, target_rows: int, seed: int) -> MixingWorld:
    return _world("images", data / "image_cifar10", _outlines, target_rows, seed)


def _reviews(data: Path, target_rows: int, seed: int) -> MixingWorld:
    return _world("reviews", data / "sentiment", _words, target_rows, seed)


def _world(
    name: str, folder: Path, featured: Callable[[list[pa.Table]], list[Floats]], target_rows: int, seed: int
) -> MixingWorld:
    drawn = np.random.default_rng(seed)
    tables = []
    for part, n in {"real": POOL_ROWS, "synthetic": POOL_ROWS, "test": target_rows + TEST_ROWS}.items():
        table = pq.read_table(folder / f"{part}.parquet")
        tables.append(table.take(np.sort(drawn.permutation(table.num_rows)[:n])))
    found = featured(tables)
    _, centred = standardised(found[0], found[0])
    spread = np.linalg.norm(centred, axis=1).mean()
    rows = []
    for features, table in zip(found, tables, strict=True):
        own = standardised(found[0], features)[1] / spread
        rows.append(Rows(np.hstack([own, np.ones((len(own), 1))]), np.array(table["label"].to_pylist(), dtype=np.int64)))
    real, synthetic, held_out = rows
    places = drawn.permutation(len(held_out.labels))
    target, test = held_out.take(places[:target_rows]), held_out.take(places[target_rows:])
    return MixingWorld(name, real, synthetic, target, test, int(real.labels.max()) + 1)


def _outlines(tables: list[pa.Table]) -> list[Floats]:
    return [outlines(table) for table in tables]


def _words(tables: list[pa.Table]) -> list[Floats]:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = [[" ".join(text.lower().split()) for text in table["text"].to_pylist()] for table in tables]
    counted = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    whole = counted.fit_transform([text for own in texts for text in own])
    found = TruncatedSVD(TEXT_FEATURES, random_state=0).fit_transform(whole)
    ends = np.cumsum([len(own) for own in texts])
    return list(np.split(found, ends[:-1]))
