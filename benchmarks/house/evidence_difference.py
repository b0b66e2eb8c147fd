"""How far `mixval evidence` ranks by another number than `mixval value` publishes: nowhere more than rounding.

    python -m benchmarks.house.evidence_difference

Sixteen cases: every task, exact kernels and sketches, a checkpoint and a random initialisation. Each values seven
contributors of a few rows by the stages of a run, a case a task up to the published table, in one folder, and rates the same
contributors by the evidence in another; both start from the same findings of the gate. The configuration leaves to a default
what the two could read in two ways. The largest difference goes to `benchmarks/results/house.json`.
"""

from __future__ import annotations

import argparse
import io
import itertools
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

from benchmarks.figures import figure, write_by_name
from benchmarks.plain_stages import gate_here
from mixval.config.backbone import BackboneConfig
from mixval.config.load import parse_config
from mixval.config.tasks import Task, spec_of
from mixval.config.valuation import merge
from mixval.evidence.baselines.method import EVERY_TASK
from mixval.evidence.calibrating import train_here, training
from mixval.evidence.calibrating_config import CalibrationConfig
from mixval.evidence.comparison import OURS
from mixval.evidence.own_data import measure_evidence
from mixval.evidence.results import WorldResult, read_result
from mixval.models.load import load_backbone
from mixval.models.tokenizers import byte_tokenizer
from mixval.publish.stored_run import open_run
from mixval.stages.in_process import value_gated
from mixval.stages.whole_run import run_here
from mixval.storage.listing import list_inputs

COMMAND = "python -m benchmarks.house.evidence_difference"
Route = Literal["exact", "sketched"]
Start = Literal["checkpoint", "random"]
CONTRIBUTORS = {"few": 12, "fine": 24, "foreign": 20, "more": 30, "noisy": 24, "spare": 18, "synthetic": 24}
N_TARGET, N_TEST, N_CLASSES, SIDE = 24, 8, 3, 10
LLAMA: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
RESNET: dict[str, Any] = {"embedding_size": 4, "hidden_sizes": [4, 8], "depths": [1, 1]}
ROUTES: dict[Route, dict[str, Any]] = {
    # Fewer gradients than rows, so that the value of classification is told from both.
    "exact": {"ntk": {"method": "exact", "sample": {"count": 16}}},
    "sketched": {"ntk": {"method": "sketched", "sketch_features": 64}, "discrepancy": {"frequencies": 32}},
}
WORDS = ("river stone meadow willow", "engine piston valve gasket", "ledger invoice audit margin")


@dataclass(frozen=True)
class Case:
    """One configuration."""

    task: Task
    route: Route
    start: Start

    @property
    def name(self) -> str:
        """As tests show it."""
        return f"{self.task}-{self.route}-{self.start}"

    @property
    def is_published(self) -> bool:
        """Whether the column is read back from what the run publishes, a case a task; else as it is handed to publication."""
        return (self.route, self.start) == ("exact", "checkpoint")


CASES = tuple(Case(*one) for one in itertools.product(EVERY_TASK, ROUTES, ("checkpoint", "random")))


class Ground:
    """Rows, checkpoints and truth below a folder, each made once for the cases that share it."""

    def __init__(self, folder: Path) -> None:
        """Nothing is made yet."""
        self._folder = folder

    def product(self, case: Case, **changes: Any) -> dict[str, float]:
        """The run's `value` column, by contributor; `changes` are laid over the case's configuration."""
        output = str(self._folder / "product" / case.task)
        config = parse_config(merge(self.settings(case) | {"output": output}, changes))
        if not case.is_published:
            return value_gated(gate_here(config)).values
        run_here(config)
        ranking = open_run(output).ranking
        return dict(zip(ranking["contributor"].to_pylist(), ranking["value"].to_pylist(), strict=True))

    def evidence(self, case: Case) -> dict[str, float]:
        """The scores of the evidence's own method, by contributor. What the gate has found of the rows is not made twice."""
        for kind in ("gate", "profile"):
            found_by_product, own = (self._folder / side / case.task / "artifacts" / kind for side in ("product", "evidence"))
            if found_by_product.exists():
                shutil.copytree(found_by_product, own, dirs_exist_ok=True)
        [found] = self.rated(case).methods
        return found.scores

    def rated(self, case: Case, **changes: Any) -> WorldResult:
        """What the evidence says of the case; `changes` are laid over its configuration. Truth is trained where it is not."""
        given = self.settings(case) | {"test": str(self._rows(case.task) / "test"), "seeds": 1, "recipe": _recipe()}
        config = CalibrationConfig.model_validate(merge(given, changes))
        listed, _ = list_inputs(config.source)
        classes = list(range(N_CLASSES)) if config.task_spec.has_labels else None
        for name, shards in listed.items():
            train_here(training(config, name, shards, classes, 0))
        return read_result(measure_evidence(config, case.name, {OURS}, COMMAND))

    def difference(self, case: Case) -> float:
        """The largest relative difference over contributors. Raises AssertionError where they are not the same."""
        published, rated = self.product(case), self.evidence(case)
        if published.keys() != rated.keys() or len(published) != len(CONTRIBUTORS):
            raise AssertionError(f"{case.name}: expected the same contributors, found {[*published]} and {[*rated]}")
        return max(abs(rated[name] - value) / max(abs(value), 1e-9) for name, value in published.items())

    def settings(self, case: Case) -> dict[str, Any]:
        """What a configuration file of the case holds."""
        rows = self._rows(case.task)
        base = {
            "task": case.task,
            "source": {"contributors": str(rows / "contributors"), "target": str(rows / "target")},
            "output": str(self._folder / "evidence" / case.task),
            "backbone": self._backbone(case),
            "gate": {"min_rows": 8, "min_rows_per_part": 2, "data_docs": False},
            "value": {"damping": 0.3, "replicates": 4},
        }
        return merge(base, ROUTES[case.route])

    def _rows(self, task: Task) -> Path:
        folder = self._folder / "rows" / task
        if not folder.exists():
            for at, (name, n) in enumerate(CONTRIBUTORS.items()):
                _write(
                    folder / "contributors" / f"contributor={name}", [_row(task, name, 1000 * (at + 2) + i) for i in range(n)]
                )
            for name, n in (("target", N_TARGET), ("test", N_TEST)):
                _write(folder / name, [_row(task, name, 10 * len(name) ** 3 + i) | {"origin": "real"} for i in range(n)])
        return folder

    def _backbone(self, case: Case) -> dict[str, Any]:
        spec = spec_of(case.task)
        architecture, sizes = ("resnet", RESNET) if spec.is_image else ("bert" if spec.has_labels else "llama", LLAMA)
        is_text = spec.is_text
        shared: dict[str, Any] = {"max_length": 40} if is_text else {"stem": "3x3"}
        made = shared | {"random_init": {"architecture": architecture, "settings": sizes}}
        made |= {"tokenizer": "byte"} if is_text else {}
        if case.start == "random":
            return made
        folder = self._folder / "checkpoints" / case.task
        if not folder.exists():
            config = BackboneConfig.model_validate({key: held for key, held in made.items() if key != "stem"})
            load_backbone(config, case.task, list(range(N_CLASSES))).module.save_pretrained(folder)
            if is_text:
                byte_tokenizer().save_pretrained(folder)
        return shared | {"path": str(folder)}


def _recipe() -> dict[str, Any]:
    """As short as a training can be: what is held against each other is not truth."""
    return {"learning_rate": 1e-3, "batch_rows": 8, "min_steps": 1, "max_steps": 1, "min_validation_rows": 1000}


def _row(task: Task, name: str, seed: int) -> dict[str, Any]:
    """One row; `noisy` has wrong answers, `foreign` another topic, `synthetic` half of its rows generated."""
    random, label = np.random.default_rng(seed), seed % N_CLASSES
    topic = (label + 1) % N_CLASSES if name == "foreign" else label
    said = (label + 1 + seed % 2) % N_CLASSES if name == "noisy" else label
    words = " ".join([*random.choice(WORDS[topic].split(), 3), str(seed)])
    origin = "synthetic" if name == "synthetic" and seed % 2 else "real"
    spec = spec_of(task)
    content: dict[str, Any] = {
        "image": _picture(random, topic),
        "text": words if spec.has_labels else f"{words} {WORDS[said]}",
        "prompt": words,
        "response": WORDS[said][: 4 + seed % 9],
    }
    label_of = {"label": said} if spec.has_labels else {}
    return {name: content[name] for name in spec.inputs} | label_of | {"origin": origin}


def _picture(random: np.random.Generator, topic: int) -> bytes:
    pixels = random.integers(0, 120, (SIDE, SIDE, 3))
    pixels[:, :, topic] += 90
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def _write(folder: Path, rows: list[dict[str, Any]]) -> None:
    folder.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / "part-0.parquet")


def main() -> None:
    """Measure and store the largest difference over all cases."""
    argparse.ArgumentParser(prog=COMMAND, description=__doc__.partition("\n")[0]).parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        ground, found = Ground(Path(folder)), {}
        for case in CASES:
            found[case.name] = ground.difference(case)
            print(f"{case.name}: {found[case.name]:.2g}", flush=True)
    name = "largest difference between evidence and product (<= 1e-9)"
    write_by_name("house", [figure(name, max(found.values()), "<= 1e-9", "1", COMMAND)])


if __name__ == "__main__":
    main()
