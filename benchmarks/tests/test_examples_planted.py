"""What the examples' READMEs promise of the ranking, with the shipped configurations: planted pairs in the planted order.

These pairs, and others that the READMEs name, held for each of three seeds of the backbone, the mix and the sketch (`python -m
benchmarks.plain_calls OUTPUT` with `seed` and `random_init.seed` 0 to 2).
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mixval.config.load import load_config
from mixval.publish.stored_run import open_run
from mixval.stages.whole_run import run_here

EXAMPLES = Path(__file__).parents[2] / "examples"
PAIRS = {
    "images": [("birch", "cedar")],
    "reviews": [("basil", "hazel"), ("basil", "coral"), ("garnet", "dune")],
    "answers": [("bluff", "heath")],
}
"""Better, worse. The value of a contributor hangs on no other one, so that only these are valued."""


@pytest.mark.slow
@pytest.mark.parametrize("name", PAIRS)
def test_planted_pairs_come_out_in_the_planted_order(name: str, tmp_path: Path) -> None:
    for contributor in {one for pair in PAIRS[name] for one in pair}:
        folder = f"contributor={contributor}"
        shutil.copytree(EXAMPLES / name / "data" / "contributors" / folder, tmp_path / "contributors" / folder)
    config = load_config(EXAMPLES / name / "config.yaml")
    changes = {
        "source": config.source.model_copy(update={"contributors": str(tmp_path / "contributors")}),
        "output": str(tmp_path / "out"),
        "value": config.value.model_copy(update={"replicates": 0, "coalitions": 0}),
    }
    run_here(config.model_copy(update=changes))
    ranked = open_run(str(tmp_path / "out")).ranking
    values = dict(zip(ranked["contributor"].to_pylist(), ranked["value"].to_pylist(), strict=True))
    assert [pair for pair in PAIRS[name] if values[pair[0]] <= values[pair[1]]] == []
