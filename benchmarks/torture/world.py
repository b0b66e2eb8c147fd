"""A tiny world of texts for runs that are repeated hundreds of times: four contributors, a target, a tiny backbone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mixval.config.load import parse_config
from mixval.config.valuation import ValuationConfig, merge
from mixval.publish.stored_run import open_run
from mixval.stages.runs import ValuedRun
from mixval.stages.whole_run import run_here
from mixval.storage.root import open_location

WORDS = ["river", "stone", "meadow", "willow", "heron", "water", "reed", "bank", "otter", "moss"]
STRANGE = ["ZX-9041", "%%QQ", "7731#", "@@12", "{{0xFF}}", "~~88", "JJWW", "$$5"]
CONTRIBUTORS = {"near": (0.0, 30), "close": (0.3, 24), "mixed": (0.5, 20), "far": (1.0, 16)}
"""Name -> share of strange words, rows of each of two shards. `mixed` has a row without text, which the gate drops."""
ROUTES: dict[str, dict[str, Any]] = {
    "sketched": {"ntk": {"method": "sketched", "sketch_features": 64}, "value": {"replicates": 8}},
    "exact": {"ntk": {"method": "exact", "sample": {"count": 16}}, "value": {"method": "eq8", "replicates": 8}},
}
OTHER_DAMPING: dict[str, dict[str, Any]] = {"sketched": {"value": {"damping": 0.7}}, "exact": {"ntk": {"damping": 0.7}}}
"""What makes a run read the passes that are there."""
LLAMA = {
    "architecture": "llama",
    "settings": {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 16},
}


def lay_out(folder: Path) -> None:
    """Write the contributors and the target below `folder`."""
    for number, (name, (share, n)) in enumerate(CONTRIBUTORS.items()):
        for shard in range(2):
            texts = sentences(n, share, [number, shard])
            if name == "mixed" and shard:
                texts[0] = ""
            write(folder / "source" / f"contributor={name}" / f"part-{shard}.parquet", texts)
    write(folder / "target" / "part-0.parquet", sentences(24, 0.0, [99]))


def sentences(n: int, strange: float, seed: list[int]) -> list[str]:
    """`n` texts of five words, each strange with this probability, and a number that tells them apart."""
    random = np.random.default_rng(seed)
    texts = []
    for i in range(n):
        words = [str(random.choice(STRANGE if random.random() < strange else WORDS)) for _ in range(5)]
        texts.append(" ".join([*words, f"{seed[0]}{seed[-1]}{i}"]))
    return texts


def write(file: Path, texts: list[str]) -> None:
    """One shard of texts, all real."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"text": texts, "origin": ["real"] * len(texts)}), file)


def config_of(folder: Path, output: Path, route: str, **changes: Any) -> ValuationConfig:
    """The configuration by a route, with results below `output`."""
    base = {
        "task": "language-modelling",
        "source": {"contributors": str(folder / "source"), "target": str(folder / "target")},
        "output": str(output),
        "backbone": {"random_init": LLAMA, "tokenizer": "byte", "max_length": 48},
        "gate": {"min_rows": 8, "data_docs": False},
        "runtime": {"threads_per_worker": 1},
    }
    return parse_config(merge(merge(base, ROUTES[route]), changes))


def ranking_of(config: ValuationConfig) -> tuple[list[dict[str, Any]], dict[str, str], list[str]]:
    """The published ranking of a run in this process, row by row; why contributors failed; the kinds of its warnings."""
    summary = run_here(config)
    stored = open_run(summary.url)
    failed = {one.contributor: one.reason or "" for one in stored.manifest.outcomes if one.verdict == "failed"}
    return stored.ranking.to_pylist(), failed, [one.kind for one in stored.manifest.warnings]


def measured_figures(run: ValuedRun) -> dict[str, dict[str, Any]]:
    """Contributor -> what was measured of it alone: its terms, and its gate's counts."""
    rows = {name: {"terms": [], "n": run.outcomes[name].n_rows} for name in run.terms}
    for row in run.reduced.terms.to_pylist():
        rows[row["contributor"]]["terms"].append((row["term"], row["part"], row["estimate"], row["standard_error"]))
    return rows


def output_of(config: ValuationConfig) -> Path:
    """Where results lie."""
    path = open_location(config.output).local_path()
    return path or Path(config.output)
