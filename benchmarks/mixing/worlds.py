"""Worlds of real and generated rows as features of a frozen model, a linear head on which is what is trained.

Letters: n rows; q features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from mixval.evidence.baselines.linear_probe import standardised
from mixval.evidence.baselines.raw_inputs import outlines
from mixval.terms.arrays import Floats

ROWS = {"real": 1200, "synthetic": 1200, "test": 1200}
"""Rows that are read of each table, drawn at random."""
TARGET_ROWS = 300
"""Test rows that are the target; the others are what trainings are measured on."""
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


def worlds(data: Path) -> list[MixingWorld]:
    """`images` (CIFAR-10 and Stable Diffusion 1.4), the same with wrong labels in the generated rows, and `reviews` (SST-2 and
    texts of language models).
    """
    images = _world("images", data / "image_cifar10", _outlines)
    spoilt, drawn = images.synthetic.labels.copy(), np.random.default_rng(7)
    wrong = drawn.random(len(spoilt)) < WRONG_LABELS
    spoilt[wrong] = (spoilt[wrong] + drawn.integers(1, images.n_classes, int(wrong.sum()))) % images.n_classes
    noisy = MixingWorld(
        "images-noise", images.real, Rows(images.synthetic.features, spoilt), images.target, images.test, images.n_classes
    )
    return [images, noisy, _world("reviews", data / "sentiment", _words)]


def _world(name: str, folder: Path, featured: Callable[[list[pa.Table]], list[Floats]]) -> MixingWorld:
    drawn = np.random.default_rng(0)
    tables = []
    for part, n in ROWS.items():
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
    target, test = held_out.take(places[:TARGET_ROWS]), held_out.take(places[TARGET_ROWS:])
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
