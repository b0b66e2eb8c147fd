"""Real pretrained weights of three kinds under the configurations that `mixval init` writes: planted pairs told apart."""

from __future__ import annotations

from pathlib import Path

import pytest

import mixval
from benchmarks.planted_pairs import planted_pairs, told_apart
from examples.pretrained.backbones import pretrained_configuration
from examples.pretrained.unpack import unpack
from mixval.config.tasks import IMAGES, TEXTS, Task, spec_of

pytestmark = [pytest.mark.pretrained, pytest.mark.slow]
CAUSAL_TEXT = next(task for task in TEXTS if spec_of(task).is_causal and not spec_of(task).has_prompt)
LABELLED_TEXT = next(task for task in TEXTS if spec_of(task).has_labels)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(tmp_path_factory.mktemp("weights"))


@pytest.mark.parametrize(
    ("task", "n_rows", "n_target", "n_classes"),
    [(LABELLED_TEXT, 100, 60, 2), (IMAGES[0], 100, 60, 10), (CAUSAL_TEXT, 20, 20, 0)],
)
def test_planted_pairs_are_told_apart(task: Task, n_rows: int, n_target: int, n_classes: int, weights: Path) -> None:
    """Of labels always. Twenty texts, of which eight have their words shuffled, are too few: then no order may be said."""
    n_pairs = 2 if n_classes else 1
    pairs = planted_pairs(task, n_pairs, n_rows, n_target)
    result = mixval.value(dict(pairs.contributors), pairs.target, **pretrained_configuration(task, weights, n_classes))
    has_no_order = bool(result.ranking["rank"].isna().all())
    assert all(told_apart(pairs, result)) or (has_no_order and not n_classes)
