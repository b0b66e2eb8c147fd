"""Contributors with planted facts: rows drawn from pools, and the labels and responses of some of them spoilt.

Every draw is seeded by names (mixval.seeds). Rows are the same when their `key` is, and each is drawn once over all
contributors of an example and its target.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from mixval.seeds import generator


@dataclass(frozen=True)
class Row:
    """One row of the raw data, in the words of the row contract."""

    id: str
    source: str
    key: bytes
    """What makes it the same row as another."""
    content: dict[str, Any]
    """Columns of the row contract."""
    is_wrong: bool = False
    """Whether the response is known to be wrong."""

    @property
    def label(self) -> int | None:
        """The class, where rows have one."""
        return self.content.get("label")


@dataclass(frozen=True)
class Plant:
    """The entry of one contributor in `plan.yaml` (whose comments explain each key)."""

    rows: int
    real_share: float = 1.0
    real_classes: int = 10
    synthetic_classes: int = 10
    generators: Sequence[str] = ()
    label_noise: float = 0.0
    wrong_share: float = 0.0
    swapped_share: float = 0.0
    money_only: bool = False
    bare_answers: bool = False
    shards: int = 1


class Pool:
    """Rows to draw from, each once over all draws of an example."""

    def __init__(self, rows: Iterable[Row], used: set[bytes]) -> None:
        """Rows in the order of the raw file; `used` is shared by the pools of an example."""
        self.rows = list(rows)
        self.used = used

    def draw(self, n: int, admit: Callable[[Row], bool], *seed: str) -> list[Row]:
        """`n` unused rows that `admit` lets in, as nearly as many of each label as of another."""
        by_label: dict[int | None, list[Row]] = {}
        for index in generator("examples", *seed).permutation(len(self.rows)):
            row = self.rows[index]
            if admit(row):
                by_label.setdefault(row.label, []).append(row)
        drawn: list[Row] = []
        queues = [iter(by_label[label]) for label in sorted(by_label, key=str)]
        while queues and len(drawn) < n:
            for queue in list(queues):
                row = next((candidate for candidate in queue if candidate.key not in self.used), None)
                if row is None:
                    queues.remove(queue)
                elif len(drawn) < n:
                    self.used.add(row.key)
                    drawn.append(row)
        if len(drawn) < n:
            raise SystemExit(f"{'/'.join(seed)}: expected {n} rows, found {len(drawn)} unused ones. Lower `rows` in plan.yaml.")
        return drawn


def draw_contributor(plant: Plant, pools: dict[str, Pool], *seed: str) -> list[tuple[Row, str]]:
    """A contributor's rows with their origins, in a seeded order, before any are spoilt."""
    n_real = round(plant.rows * plant.real_share)
    n_wrong = round((plant.rows - n_real) * plant.wrong_share)
    rows: list[tuple[Row, str]] = []
    for origin, is_wrong, n in (
        ("real", False, n_real),
        ("synthetic", False, plant.rows - n_real - n_wrong),
        ("synthetic", True, n_wrong),
    ):
        fits = partial(_fits, plant, origin, is_wrong)
        rows += [(row, origin) for row in pools[origin].draw(n, fits, *seed, origin, str(is_wrong))]
    return [rows[index] for index in generator("examples", *seed, "order").permutation(len(rows))]


def _fits(plant: Plant, origin: str, is_wrong: bool, row: Row) -> bool:
    if row.label is not None and row.label >= (plant.real_classes if origin == "real" else plant.synthetic_classes):
        return False
    if plant.money_only and "$" not in row.content["prompt"]:
        return False
    from_here = origin == "real" or not plant.generators or row.source in plant.generators
    return from_here and row.is_wrong == is_wrong


def spoil_labels(rows: Sequence[tuple[Row, str]], share: float, *seed: str) -> tuple[list[tuple[Row, str]], dict[str, int]]:
    """The rows with `share` of their labels replaced by another label among them, and the true ones by id."""
    random = generator("examples", *seed, "label-noise")
    labels = sorted({row.content["label"] for row, _ in rows})
    spoilt, true_labels = list(rows), {}
    for index in sorted(random.permutation(len(rows))[: round(share * len(rows))]):
        row = rows[index][0]
        others = [label for label in labels if label != row.label]
        true_labels[row.id] = row.content["label"]
        spoilt[index] = _with(rows[index], label=others[random.integers(len(others))])
    return spoilt, true_labels


def swap_responses(rows: Sequence[tuple[Row, str]], share: float, *seed: str) -> tuple[list[tuple[Row, str]], list[str]]:
    """The rows with `share` of their responses passed round in one circle, and the ids of those rows."""
    chosen = generator("examples", *seed, "swap").permutation(len(rows))[: round(share * len(rows))]
    spoilt = list(rows)
    for index, giver in zip(chosen, [*chosen[1:], *chosen[:1]], strict=True):
        spoilt[index] = _with(rows[index], response=rows[giver][0].content["response"])
    return spoilt, sorted(rows[index][0].id for index in chosen)


def _with(row: tuple[Row, str], **columns: Any) -> tuple[Row, str]:
    return replace(row[0], content=row[0].content | columns), row[1]


def describe(rows: Sequence[tuple[Row, str]]) -> dict[str, Any]:
    """What can be counted in a contributor's rows, or in the target's."""
    n_real = sum(origin == "real" for _, origin in rows)
    facts: dict[str, Any] = {"n_rows": len(rows), "n_real": n_real, "real_share": n_real / len(rows)}
    facts["sources"] = dict(sorted(Counter(row.source for row, _ in rows).items()))
    if rows[0][0].label is not None:
        facts["label_counts"] = {str(k): n for k, n in sorted(Counter(row.content["label"] for row, _ in rows).items())}
    return facts


def plant_contributor(plant: Plant, pools: dict[str, Pool], *seed: str) -> tuple[list[tuple[Row, str]], dict[str, Any]]:
    """A contributor's rows as they are written, and the facts about them."""
    rows = draw_contributor(plant, pools, *seed)
    wrong = sorted(row.id for row, _ in rows if row.is_wrong)
    true_labels: dict[str, int] = {}
    swapped: list[str] = []
    if plant.label_noise:
        rows, true_labels = spoil_labels(rows, plant.label_noise, *seed)
    if plant.swapped_share:
        rows, swapped = swap_responses(rows, plant.swapped_share, *seed)
    if plant.bare_answers:
        rows = [_with(row, response=row[0].content["response"].splitlines()[-1]) for row in rows]
    return rows, describe(rows) | {"true_labels": true_labels, "wrong": wrong, "swapped": swapped}
