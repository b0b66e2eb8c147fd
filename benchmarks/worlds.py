"""Small contributors, target sets and backbones of every kind, and mixval's stages run on them from Parquet to terms."""

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mixval.config.tasks import Task
from mixval.config.valuation import ValuationConfig, merge
from mixval.contracts.outcomes import GateOutcome
from mixval.contracts.plan import ContributorPlan, ShardRef
from mixval.contracts.record import ArtifactRef
from mixval.contracts.terms import TERMS
from mixval.models.identity import backbone_identity
from mixval.stages.forward import forward_pass
from mixval.stages.gradients import gram_parts, partial_gram, summed_gram, whole_gram
from mixval.stages.jobs import MeasureJob, contributor_job, target_job
from mixval.stages.terms import contributor_terms
from mixval.storage.listing import list_contributors, list_target

Shards = Literal["one", "uneven", "shuffled"]
N_REAL, N_SYNTHETIC, N_TARGET = 11, 8, 7
NAME = "alder"
SIDE = 12
CLASSES = [2, 5, 9]


@dataclass(frozen=True)
class World:
    """A kind of rows and the backbone that reads them."""

    task: Task
    backbone: dict[str, Any]
    make: Callable[[int, str], pa.Table]
    """From a number of rows and their origin (`target` for T) to the rows."""
    parameters: tuple[str, ...]
    """Kinds of parameters that the NTK takes by default."""


def lay_out(folder: Path, world: World, shards: Shards = "one", only_real: bool = False) -> None:
    """Write a contributor `alder` and a target set as Parquet."""
    parts = [world.make(N_REAL, "real")] + ([] if only_real else [world.make(N_SYNTHETIC, "synthetic")])
    rows = pa.concat_tables(parts)
    if shards == "shuffled":
        rows = rows.take(np.random.default_rng(5).permutation(rows.num_rows))
    edges = [0, rows.num_rows] if shards == "one" else [0, 1, 8, rows.num_rows]
    lake = folder / "lake" / f"contributor={NAME}"
    lake.mkdir(parents=True)
    for i, (low, high) in enumerate(itertools.pairwise(edges)):
        pq.write_table(rows.slice(low, high - low), lake / f"part-{i}.parquet", row_group_size=4)
    (folder / "target").mkdir()
    pq.write_table(world.make(N_TARGET, "target"), folder / "target" / "part-0.parquet")


def make_config(folder: Path, world: World, switches: dict[str, Any]) -> ValuationConfig:
    """The configuration of a world in a folder: every row, no replicates, float64, unless `switches` say otherwise."""
    base: dict[str, Any] = {
        "task": world.task,
        "source": {"contributors": str(folder / "lake"), "target": str(folder / "target")},
        "output": str(folder / "out"),
        "backbone": {"dtype": "float64", **world.backbone},
        "sample": {},
        "ntk": {"method": "exact", "sample": {}, "parameters": list(world.parameters)},
        "discrepancy": {"target_sample": {}},
        "value": {"method": "eq8", "replicates": 0},
        "runtime": {"batch_rows": 3, "device": "cpu"},
    }
    return ValuationConfig.model_validate(merge(base, switches))


def jobs(config: ValuationConfig) -> tuple[MeasureJob, MeasureJob]:
    """The contributor's job and the target's, as the flow makes them of a contributor that the gate admits whole."""
    shards = list_contributors(config.source)[NAME]
    classes = CLASSES if config.task_spec.has_labels else None
    identity = backbone_identity(config.backbone, config.task, classes)
    origins = [origin for shard in shards for origin in pq.read_table(shard.url.removeprefix("file://"))["origin"].to_pylist()]
    target = target_job(config, _plan("target", list_target(config.source)), identity, classes)
    return contributor_job(config, _plan(NAME, shards), outcome(origins), identity, classes), target


def outcome(origins: list[str]) -> GateOutcome:
    """The gate's word on a contributor whose rows are all admitted."""
    n, n_real = len(origins), origins.count("real")
    return GateOutcome(contributor=NAME, verdict="admitted", n_rows=n, n_real=n_real, n_synthetic=n - n_real, n_dropped=0)


def run_stages(job: MeasureJob, target: MeasureJob) -> ArtifactRef:
    """Both passes, the Gram matrix whole or from groups of layers, and the terms."""
    forward_pass(target)
    forward_pass(job)
    parts = gram_parts(job)
    if len(parts) == 1:
        whole_gram(job)
    else:
        summed_gram(job, [partial_gram(job, part) for part in parts])
    return contributor_terms(job, target)


def measured_terms(job: MeasureJob, target: MeasureJob) -> dict[str, float]:
    """The terms as mixval commits them, and by part: `loss/real`, `discrepancy/synthetic`, ..."""
    ref = run_stages(job, target)
    terms = dict(zip(TERMS, map(float, job.store.read_tensors(ref)["terms"]), strict=True))
    table = job.store.read_table(ref, "terms").to_pylist()
    return terms | {f"{row['term']}/{row['part']}": row["estimate"] for row in table if row["part"] != "all"}


def diagnostics(job: MeasureJob, target: MeasureJob, term: str) -> dict[str, Any]:
    """The diagnostics of a term in the terms table."""
    rows = job.store.read_table(run_stages(job, target), "terms").to_pylist()
    found: dict[str, Any] = json.loads(next(r["diagnostics"] for r in rows if (r["term"], r["part"]) == (term, "all")))
    return found


def relative_errors(found: dict[str, float], truth: dict[str, float]) -> dict[str, float]:
    """|found - truth| / |truth| by term; 0 where both are 0. Both must speak of the same terms."""
    if found.keys() != truth.keys():
        raise KeyError(f"expected terms {sorted(truth)}, found {sorted(found)}")
    gaps = {name: abs(found[name] - truth[name]) for name in truth}
    return {name: gap / abs(truth[name]) if gap else 0.0 for name, gap in gaps.items()}


def _plan(name: str, shards: list[ShardRef]) -> ContributorPlan:
    n = sum(shard.n_rows for shard in shards)
    sizes = {"n_sampled": n, "n_gradient_rows": n, "n_passes": 1, "task_bytes": 0, "seconds": 0.0}
    return ContributorPlan(name=name, shards=shards, n_rows=n, **sizes)


def _images(n: int, origin: str) -> pa.Table:
    generator = np.random.default_rng({"target": 0, "real": 1, "synthetic": 2}[origin])
    shift = {"target": 0, "real": 15, "synthetic": 45}[origin]
    labels = np.arange(n) % 3
    values = generator.normal(95 + 25 * labels[:, None, None, None] + shift, 40, (n, SIDE, SIDE, 3))
    image = pa.FixedShapeTensorArray.from_numpy_ndarray(values.clip(0, 255).astype(np.uint8))
    return _labelled({"image": image, "label": [CLASSES[i] for i in labels]}, n, origin)


def _texts(n: int, origin: str) -> pa.Table:
    words = _words(n, origin)
    return _labelled({"text": [" ".join(row) for row in words], "label": [CLASSES[i % 3] for i in range(n)]}, n, origin)


def _answers(n: int, origin: str) -> pa.Table:
    words = _words(n, origin)
    halves = {"prompt": [" ".join(row[::2]) for row in words], "response": [" ".join(row[1::2]) for row in words]}
    return _labelled(halves, n, origin)


def _words(n: int, origin: str) -> list[list[str]]:
    """Texts of 3 to 9 words, so that a batch is padded; contributors' words differ from T's, generated ones more."""
    generator = np.random.default_rng({"target": 0, "real": 1, "synthetic": 2}[origin])
    known = {"target": "fine film plot", "real": "fine film zwölf 77", "synthetic": "QUX 99 zzz"}[origin].split()
    return [[str(word) for word in generator.choice(known, 3 + i % 7)] for i in range(n)]


def _labelled(columns: dict[str, Any], n: int, origin: str) -> pa.Table:
    return pa.table({**columns, "origin": ["real" if origin == "target" else origin] * n})


def _text_backbone(architecture: str, settings: dict[str, Any], **fields: Any) -> dict[str, Any]:
    init = {"architecture": architecture, "settings": settings, "seed": 3}
    return {"random_init": init, "tokenizer": "byte", "max_length": 128, **fields}


_RESNET = {"embedding_size": 4, "hidden_sizes": [4, 8], "depths": [1, 1]}
_WIDE = {"initializer_range": 0.2}  # far enough from 0 that rows differ in loss, output and kernel
_BERT = {**_WIDE, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12}
_LLAMA = {**_BERT, "num_key_value_heads": 1}
_GPT2 = {**_WIDE, "n_embd": 8, "n_layer": 2, "n_head": 2}
_IMAGE_BACKBONE = {"random_init": {"architecture": "resnet", "settings": _RESNET, "seed": 3}, "stem": "3x3"}
_LORA = _text_backbone("llama", _LLAMA, lora={"rank": 2, "alpha": 4.0})

WORLDS = {
    "images": World("image-classification", _IMAGE_BACKBONE, _images, ("linear", "conv")),
    "texts": World("text-classification", _text_backbone("bert", _BERT), _texts, ("linear",)),
    "llama": World("instruction", _text_backbone("llama", _LLAMA), _answers, ("linear",)),
    "gpt2": World("instruction", _text_backbone("gpt2", _GPT2), _answers, ("linear",)),
    "lora": World("instruction", _LORA, _answers, ("lora",)),
}
