"""Three contributors whose order is known: `good`, `noisy` (most labels wrong), `tiny` (few rows, off the target)."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mixval.config.backbone import BackboneConfig, RandomInitConfig
from mixval.config.load import parse_config
from mixval.config.tasks import Task
from mixval.config.valuation import ValuationConfig
from mixval.evidence.baselines.inputs import Budget, Contributor, Inputs
from mixval.evidence.baselines.product import product_values
from mixval.evidence.recipe import TrainingRecipe
from mixval.models.load import load_backbone
from tests.evidence.planted_tables import N_CLASSES, picture

SIZES = {"good": 64, "noisy": 64, "tiny": 8}
N_TARGET = 48
TOPICS = (
    ("sun", "beach", "sand", "wave"),
    ("snow", "ski", "ice", "frost"),
    ("bread", "butter", "cheese", "wine"),
    ("train", "rail", "ticket", "platform"),
)
ARCHITECTURES: dict[Task, tuple[str, dict[str, Any]]] = {
    "image-classification": ("resnet", {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}),
    "text-classification": (
        "bert",
        {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32},
    ),
    "instruction": ("llama", {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}),
    "language-modelling": ("gpt2", {"n_embd": 16, "n_layer": 1, "n_head": 2}),
}
SMALL = Budget(
    sketch_features=512,
    gram_rows=40,
    gram_bytes=2**24,
    # At five times this rate, what another processor rounds differently grows to a tenth of the scores that checkpoints give.
    recipe=TrainingRecipe(min_steps=40, max_steps=40, batch_rows=32, learning_rate=1e-3),
    n_checkpoints=2,
)


def planted_inputs(task: Task, folder: Path | None = None) -> Inputs:
    """The three contributors, a clean target and a tiny backbone at random initialisation.

    With a folder they are laid out below it too, so that the product values them.
    """
    architecture, settings = ARCHITECTURES[task]
    init = RandomInitConfig(architecture=architecture, settings=settings)
    text = {} if architecture == "resnet" else {"tokenizer": "byte", "max_length": 48}
    stem = {"stem": "3x3"} if architecture == "resnet" else {}
    config = BackboneConfig(random_init=init, **text, **stem)
    backbone = load_backbone(config, task, list(range(N_CLASSES)))
    contributors = [Contributor(name, planted_rows(task, name, n)) for name, n in SIZES.items()]
    target = planted_rows(task, "target", N_TARGET)
    valuation = None
    if folder is not None:
        for one in contributors:
            _write(folder / "contributors" / f"contributor={one.name}", one.table)
        at = target.column_names.index("origin")
        _write(folder / "target", target.set_column(at, "origin", pa.array(["real"] * target.num_rows)))
        valuation = partial(product_values, planted_config(task, config, folder))
    return Inputs(task, contributors, target, backbone, SMALL, valuation)


def planted_config(task: Task, backbone: BackboneConfig, folder: Path) -> ValuationConfig:
    """What values the laid out contributors: sketches of all rows, sized as for all methods; nobody is kept out."""
    settings = {
        "task": task,
        "source": {"contributors": str(folder / "contributors"), "target": str(folder / "target")},
        "output": str(folder / "out"),
        "backbone": backbone.model_dump(exclude_unset=True),
        "gate": {
            "min_rows": 2,
            "min_rows_per_part": 2,
            "min_classes": 1,
            "max_bad_row_share": 1,
            "max_duplicate_share": 1,
            "max_target_overlap_share": 1,
            "max_shared_share": 1,
            "data_docs": False,
        },
        "ntk": {"method": "sketched", "sketch_features": SMALL.sketch_features},
        "value": {"gain": "trained", "replicates": 0, "coalitions": 0},
    }
    return parse_config(settings)


def _write(folder: Path, table: pa.Table) -> None:
    folder.mkdir(parents=True)
    pq.write_table(table, folder / "part-0.parquet")


def planted_rows(task: Task, name: str, n: int) -> pa.Table:
    """Rows of one contributor, or of the target, half of them real."""
    random = np.random.default_rng([n, len(name)])
    rows = [_row(task, name, at, random) for at in range(n)]
    origins = ["real" if at % 2 else "synthetic" for at in range(n)]
    return pa.Table.from_pylist(rows).append_column("origin", pa.array(origins))


def _row(task: Task, name: str, at: int, random: np.random.Generator) -> dict[str, Any]:
    label = at % N_CLASSES if name != "tiny" else 3
    is_wrong = name == "noisy" and at % 10 < 8
    said = (label + 1 + at % 3) % N_CLASSES if is_wrong else label
    words = " ".join(random.choice(TOPICS[label], 4).tolist())
    if name == "tiny":
        words = words.upper()[::-1]
    answer = " ".join(TOPICS[said][:2]) if name != "tiny" else "zzz qqq"
    if task == "image-classification":
        return {"image": picture(label, at + 1000 * len(name)), "label": said}
    if task == "text-classification":
        return {"text": words, "label": said}
    if task == "instruction":
        return {"prompt": words, "response": answer}
    return {"text": words if not is_wrong else "".join(random.permutation(list(words)).tolist())}
