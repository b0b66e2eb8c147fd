"""A first ranking of own data: the configuration that `mixval init` writes, as it is, with the data put where it says.

Contributors are planted pairs of real sentences from film reviews: equally many rows, 40 % of the labels of one wrong.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.plain_stages import gate_here
from mixval.cli.template import write_template
from mixval.config.load import load_config
from mixval.stages.in_process import value_gated

REVIEWS = Path(__file__).parents[2] / "examples" / "reviews" / "data"
N_ROWS, N_TARGET, WRONG = 200, 200, 0.4


def _write(rows: pa.Table, folder: Path) -> None:
    folder.mkdir(parents=True)
    pq.write_table(rows, folder / "part-0.parquet")


def _wrong(rows: pa.Table) -> pa.Table:
    """The same sentences, the labels of some turned round."""
    labels = rows.column("label").to_numpy().copy()
    turned = np.random.default_rng(0).permutation(len(labels))[: round(WRONG * len(labels))]
    labels[turned] = 1 - labels[turned]
    return rows.set_column(rows.schema.get_field_index("label"), "label", pa.array(labels))


def test_wrong_labels_on_real_sentences_are_told_by_the_first_configuration(tmp_path: Path) -> None:
    """Both orders of names: neither a name's place in the alphabet nor what is drawn from it decides."""
    config = load_config(write_template(tmp_path, "text-classification", is_offline=True))
    real = pq.read_table(REVIEWS / "contributors" / "contributor=amber")
    first, second = real.slice(0, N_ROWS), real.slice(N_ROWS, N_ROWS)
    pairs = {"ada": first, "bob": _wrong(second), "cyd": _wrong(first), "dan": second}
    for name, rows in pairs.items():
        _write(rows, tmp_path / "contributors" / name)
    _write(pq.read_table(REVIEWS / "target").slice(0, N_TARGET), tmp_path / "target")
    run = value_gated(gate_here(config))
    ranks = dict(zip(*(run.reduced.ranking[name].to_pylist() for name in ("contributor", "rank")), strict=True))
    assert {name for name, rank in ranks.items() if rank <= 2} == {"ada", "dan"}
    # Guessing between two classes has -0.693; wrong labels stay near it, right ones do not.
    assert min(run.values[name] for name in ("ada", "dan")) > max(run.values[name] for name in ("bob", "cyd")) + 0.01
