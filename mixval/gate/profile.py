"""Profile of the target set T for the gate: its labels, its inputs and its size. T is real and held out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from mixval.config.gate import GateConfig
from mixval.config.tasks import Task, spec_of
from mixval.contracts.batches import RowBatch
from mixval.contracts.class_names import ClassNames
from mixval.contracts.labels import NO_NAMES, TargetClasses
from mixval.contracts.parts import SYNTHETIC
from mixval.contracts.plan import ShardRef
from mixval.errors import ContractError, ShardError, TargetError
from mixval.gate.derive import TokenCounter, digest_names
from mixval.gate.findings import row_findings
from mixval.gate.near import PrintedSet, as_arrays, from_arrays, printed_set
from mixval.gate.row_suite import row_checks
from mixval.gate.stream import RowStream
from mixval.gate.words import counted, label_words, listed, quoted

MAX_LABEL = 2**63 - 1
NO_DIGESTS = np.empty((0, 16), dtype=np.uint8)
_ARRAYS = {"labels", "digests", "n_rows", "words"}


@dataclass(frozen=True)
class TargetProfile:
    """What contributors are compared with: labels, inputs and size of the target set."""

    labels: tuple[int, ...]
    """Distinct labels, ascending. Empty where the task has none."""
    digests: np.ndarray
    """(M, 16) uint8: distinct inputs, ascending."""
    n_rows: int
    """Rows of the target set, repeats included."""
    class_names: ClassNames = ()
    """What its metadata call the labels 0, 1, ...; empty where they do not say."""
    image_size: str | None = None
    """Height and width of its images (`images.size_words`) where contributors' must be the same; None where they need not."""
    labels_are_names: bool = False
    """Whether its rows have these names for labels."""

    printed: PrintedSet | None = None
    """Against which rows are held that nearly repeat one of its; None where it has too few to tell."""

    @property
    def classes(self) -> TargetClasses:
        """What it calls its classes, for reading contributors' labels."""
        return TargetClasses(self.class_names, self.labels_are_names)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The profile as arrays: `labels` (C,) int64, `digests` (M, 16) uint8, `n_rows` (1,) int64, `words` JSON in UTF-8,
        and those of the printed set."""
        own = {"class_names": self.class_names, "image_size": self.image_size, "labels_are_names": self.labels_are_names}
        words = json.dumps(own)
        return {
            "labels": np.array(self.labels, dtype=np.int64),
            "digests": self.digests,
            "n_rows": np.array([self.n_rows], dtype=np.int64),
            "words": np.frombuffer(words.encode(), dtype=np.uint8).copy(),
            **as_arrays(self.printed),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> TargetProfile:
        """The profile that `to_arrays` gave. Raises ContractError when an array is missing."""
        if missing := sorted(_ARRAYS - set(arrays)):
            raise ContractError(
                f"a target profile needs the arrays {', '.join(sorted(_ARRAYS))}, found no {', '.join(missing)}. "
                "Make the profile again from the target set."
            )
        words = json.loads(arrays["words"].tobytes())
        digests = np.ascontiguousarray(arrays["digests"], dtype=np.uint8).reshape(-1, 16)
        labels, n_rows = tuple(int(label) for label in arrays["labels"]), int(arrays["n_rows"][0])
        names, size = tuple(words["class_names"]), words["image_size"]
        return cls(labels, digests, n_rows, names, size, words["labels_are_names"], from_arrays(arrays))


def profile_target(
    batches: Iterable[RowBatch],
    task: Task,
    limits: GateConfig | None = None,
    shards: Iterable[ShardRef] = (),
    count_tokens: TokenCounter | None = None,
    is_resized: bool = False,
    classes: TargetClasses = NO_NAMES,
) -> TargetProfile:
    """The profile of the target set. Raises TargetError when it breaks a requirement.

    `is_resized`: images come to one size later. `classes`: what the target calls its classes, where its labels are names.
    It must be readable and have at least `limits.min_rows_per_part` rows, all of them good and real, in classification with at
    least `limits.min_classes` labels. Repeated rows are allowed, as T is a sample of real use.
    """
    limits = limits or GateConfig()
    listing = list(shards)
    if broken := next((shard for shard in listing if shard.problem is not None), None):
        raise TargetError(
            f"target, shard {quoted(broken.name)}: a readable data file was expected, found: {broken.problem}. "
            "Write the file again: T must be complete."
        )
    checks = row_checks(task, limits, has_tokens=count_tokens is not None)
    stream = RowStream(task, limits, checks, NO_DIGESTS, count_tokens, keep_repeats=True, class_names=classes.names)
    try:
        for batch in batches:
            stream.add(batch)
    except ShardError as error:
        raise TargetError(f"target: {str(error).rstrip('.')}. Correct source.target: T must be complete.") from error
    _require_target(stream, task, [shard.name for shard in listing])
    digests = np.unique(digest_names(stream.digests())).view(np.uint8).reshape(-1, 16)
    size = None if is_resized else _only_size(stream)
    labels, printed = tuple(sorted(stream.labels)), printed_set(stream.prints())
    return TargetProfile(labels, digests, stream.n_rows, stream.class_names, size, classes.are_labels, printed)


def _require_target(stream: RowStream, task: Task, shard_names: list[str]) -> None:
    limits = stream.limits
    if stream.n_rows == 0:
        raise TargetError("target: rows were expected, found none. Set source.target to real, held-out rows.")
    if findings := row_findings(stream.rows, "target", shard_names, consequence={}):
        more = f" ({counted(len(findings) - 1, 'more kind')} of bad rows)" if len(findings) > 1 else ""
        raise TargetError(f"{findings[0].message}{more} T must have good rows only: correct or remove the others.")
    if n_synthetic := stream.n_parts[SYNTHETIC]:
        raise TargetError(
            f"target: real rows only were expected, found {n_synthetic:,} synthetic of "
            f"{counted(stream.n_rows, 'row')}. T must be real and held out: remove the synthetic rows."
        )
    if stream.n_rows < limits.min_rows_per_part:
        raise TargetError(
            f"target: at least {limits.min_rows_per_part} rows were expected (gate.min_rows_per_part), "
            f"found {stream.n_rows:,}. Add more held-out rows."
        )
    _require_labels(stream)
    if spec_of(task).has_labels and len(stream.labels) < limits.min_classes:
        raise TargetError(
            f"target: at least {limits.min_classes} distinct labels were expected (gate.min_classes), "
            f"found {len(stream.labels)}: {_labels(stream, stream.labels)}. Add rows of the other classes."
        )


def _labels(stream: RowStream, labels: Iterable[int]) -> str:
    return listed([label_words(label, stream.class_names) for label in sorted(labels)])


def _require_labels(stream: RowStream) -> None:
    if stream.labels and max(stream.labels) > MAX_LABEL:
        raise TargetError(
            f"target: labels up to {MAX_LABEL} were expected, found {max(stream.labels)}. Number the classes from 0."
        )
    if negative := sorted(label for label in stream.labels if label < 0):
        n_rows = sum(stream.labels[label] for label in negative)
        raise TargetError(
            f"target: labels from 0 up were expected, found {listed(negative)} in {counted(n_rows, 'row')} of "
            f"{stream.n_rows:,}. Negative labels usually mark rows without one, as -1 does in test sets whose labels are kept "
            "back: take rows with labels as the target, or number the classes from 0."
        )
    names = stream.class_names
    if unnamed := sorted(label for label in stream.labels if names and label >= len(names)):
        raise TargetError(
            f"target: labels of the {len(names):,} classes that its metadata name were expected ({listed(list(names))}), found "
            f"{listed(unnamed)}. Correct the labels or the names."
        )


def _only_size(stream: RowStream) -> str | None:
    """The size that all images share; None without images."""
    sizes = [f"{size} ({counted(n, 'row')})" for size, n in stream.image_sizes.most_common()]
    if len(sizes) > 1:
        raise TargetError(
            f"target: images of one height and width were expected, as backbone.image_size is not set, found {listed(sizes)}. "
            "Set backbone.image_size to resize all images to a square of that side."
        )
    return next(iter(stream.image_sizes), None)
