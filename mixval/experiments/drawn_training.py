"""One training of the experiment: rows drawn with a long tail, and what the model answers right, class by class.

An artifact of kind `drawn-training`, named as truth is, and by the draw. It is trained by the same code as truth.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from mixval.contracts.record import ArtifactRef
from mixval.errors import ContractError
from mixval.evidence.training import outcomes, train
from mixval.evidence.truth import Listed, Trained, TruthJob, committed_training, learner_of, read_rows, training_ref
from mixval.experiments.config import LongTail
from mixval.experiments.draws import drawn_rows, ranked_classes, zipf
from mixval.seeds import derive_seed
from mixval.stages.resident import pick_device

KIND, VERSION = "drawn-training", 1
"""The version is raised whenever the numbers change."""


class DrawnJob(TruthJob):
    """A training on `n_rows` drawn from the job's rows."""

    tail: LongTail
    n_rows: int
    replicate: int
    """Its number in messages; not part of the fingerprint, which has the seed."""


def drawn_ref(job: DrawnJob) -> ArtifactRef:
    """Where the training is, or will be, committed."""
    return training_ref(job, KIND, VERSION, **_draw(job))


def train_drawn(job: DrawnJob) -> ArtifactRef:
    """Commit, by rank, how many rows of a class were drawn, how many test rows it has and how many are answered right."""
    placed = job.model_copy(update={"device": pick_device(job.device)})
    return committed_training(placed, KIND, VERSION, lambda listed: _trained(placed, listed), **_draw(placed))


def _draw(job: DrawnJob) -> dict[str, object]:
    return {"tail": job.tail.model_dump(mode="json"), "n_rows": job.n_rows}


def _trained(job: DrawnJob, listed: Listed) -> Trained:
    rows, test = read_rows(job, job.rows, listed), read_rows(job, [job.test], listed)
    labels, of_test, ranked = labels_of(rows, "rows"), labels_of(test, "test"), ranked_classes(job.classes or [], job.seed)
    shares = zipf(len(ranked), job.tail.beta), zipf(len(ranked), job.tail.beta, job.tail.cut)
    positions = drawn_rows(labels, ranked, shares, job.tail.real, job.n_rows, job.seed)
    distinct, repeated = np.unique(positions, return_inverse=True)
    seed = derive_seed("experiment", job.seed)
    learner = learner_of(job, seed)
    course = train(learner, learner.encode(rows.take(distinct)), None, job.recipe, seed, repeated)
    said = [one.is_right for one in outcomes(learner, learner.encode(test))]
    right = np.concatenate([one.cpu().numpy() for one in said if one is not None])
    table = {
        "rank": np.arange(1, len(ranked) + 1),
        "label": ranked,
        "n_drawn": [int(np.count_nonzero(labels[positions] == label)) for label in ranked],
        "n_test": [int(np.count_nonzero(of_test == label)) for label in ranked],
        "n_right": [int(np.count_nonzero(right[of_test == label])) for label in ranked],
    }
    numbers = {"n_steps": course.n_steps, "n_distinct": len(distinct)}
    return Trained(numbers, {"by_class": pa.table(table)})


def labels_of(rows: pa.Table, where: str) -> np.ndarray:
    """(N,) labels. Raises ContractError for rows without one."""
    if n_missing := rows["label"].null_count:
        raise ContractError(f"{where}: expected a label in every row, found {n_missing} without one. Leave those rows out.")
    labels: np.ndarray = rows["label"].to_numpy()
    return labels
