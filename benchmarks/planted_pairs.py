"""Pairs of contributors of real rows, one of each spoilt: whether a first configuration tells them apart.

Rows are those of the examples that are real and clean, drawn anew for each pair; both of a pair have as many rows, and none in
common. Of the spoilt one 40 % of the labels are wrong, or as many responses belong to other prompts, or as many texts have
their words shuffled. In every other pair the clean one is first in the alphabet.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

import mixval
from mixval.cli.template import write_template
from mixval.config.tasks import Task, spec_of
from mixval.seeds import generator

EXAMPLES = Path(__file__).parents[1] / "examples"
WRONG = 0.4
CLEAN: dict[str, tuple[str, ...]] = {
    "images": ("atlas", "birch", "grove"),
    "reviews": ("amber", "basil", "hazel"),
    "answers": ("alder", "bluff"),
}
"""Contributors of real rows with nothing wrong, by example."""


@dataclass(frozen=True)
class Pairs:
    """Contributors two by two, and the target."""

    contributors: Mapping[str, pa.Table]
    clean_and_spoilt: tuple[tuple[str, str], ...]
    """Names of each pair."""
    target: pa.Table


def planted_pairs(task: Task, n_pairs: int, n_rows: int, n_target: int, seed: int = 0) -> Pairs:
    """`n_pairs` pairs of contributors with `n_rows` rows each."""
    contributors: dict[str, pa.Table] = {}
    names = []
    pool = _as_task(task, pa.concat_tables(_read(task, f"contributors/contributor={one}") for one in CLEAN[_example(task)]))
    for pair in range(n_pairs):
        drawn = pool.take(generator("planted-pairs", task, seed, pair).permutation(pool.num_rows)[: 2 * n_rows])
        order = ("a", "b") if pair % 2 else ("b", "a")
        clean, spoilt = (f"pair-{pair:02d}-{letter}" for letter in order)
        contributors |= {clean: drawn.slice(0, n_rows), spoilt: spoil(task, drawn.slice(n_rows), seed + pair)}
        names.append((clean, spoilt))
    return Pairs(contributors, tuple(names), _as_task(task, _read(task, "target")).slice(0, n_target))


def spoil(task: Task, rows: pa.Table, seed: int) -> pa.Table:
    """The rows with 40 % of what is learnt from them made wrong."""
    spec, random = spec_of(task), generator("planted-pairs", "spoilt", seed)
    chosen = random.permutation(rows.num_rows)[: round(WRONG * rows.num_rows)]
    name = "label" if spec.has_labels else spec.content
    cells = rows.column(name).to_pylist()
    if spec.has_labels:
        labels = sorted(set(cells))
        for index in chosen:
            others = [label for label in labels if label != cells[index]]
            cells[index] = others[random.integers(len(others))]
    elif spec.has_prompt:
        for index, cell in zip(chosen, [cells[giver] for giver in np.roll(chosen, 1)], strict=True):
            cells[index] = cell
    else:
        for index in chosen:
            cells[index] = " ".join(random.permutation(cells[index].split()))
    return rows.set_column(rows.schema.get_field_index(name), name, pa.array(cells, rows.schema.field(name).type))


def spoilt_answers(n_rows: int, n_target: int, seed: int = 0) -> tuple[dict[str, pa.Table], pa.Table]:
    """The same short prompts with their responses, with each other's, and with the words of each response shuffled; the target.

    All rows are spoilt, and prompts are the same, so that few rows show whether a model reads answers at all.
    """
    pool = pa.concat_tables(_read("instruction", f"contributors/contributor={one}") for one in CLEAN["answers"])
    right, target = (
        _shortest(_as_task("instruction", rows), n) for rows, n in [(pool, n_rows), (_read("instruction", "target"), n_target)]
    )
    responses = right["response"].to_pylist()
    random = generator("planted-pairs", "answers", seed)
    spoilt = {
        "mismatched": responses[1:] + responses[:1],
        "shuffled": [" ".join(random.permutation(response.split())) for response in responses],
    }
    place = right.schema.get_field_index("response")
    tables = {name: right.set_column(place, "response", pa.array(cells, pa.string())) for name, cells in spoilt.items()}
    return {"right": right, **tables}, target


def first_configuration(task: Task, is_offline: bool) -> dict[str, Any]:
    """Backbone and other sections that `mixval init` writes, as `mixval.value` takes them."""
    with tempfile.TemporaryDirectory() as folder:
        written = yaml.safe_load(write_template(Path(folder), task, is_offline).read_text(encoding="utf-8"))
    return {name: section for name, section in written.items() if name not in ("source", "output")}


def told_apart(pairs: Pairs, result: mixval.ValuationResult) -> list[bool]:
    """For each pair whether the clean one has the higher value."""
    values = dict(zip(result.ranking["contributor"], result.ranking["value"], strict=True))
    return [bool(values[clean] > values[spoilt]) for clean, spoilt in pairs.clean_and_spoilt]


def _read(task: Task, folder: str) -> pa.Table:
    table = pq.read_table(EXAMPLES / _example(task) / "data" / folder)
    return table.filter(pc.equal(table["origin"].cast(pa.string()), "real"))


def _shortest(rows: pa.Table, n: int) -> pa.Table:
    """The n rows with the fewest bytes of prompt and response."""
    sizes = pc.add(pc.binary_length(rows["prompt"]), pc.binary_length(rows["response"]))
    return rows.take(pc.sort_indices(sizes)[:n])


def _as_task(task: Task, rows: pa.Table) -> pa.Table:
    columns = {name: rows[name] for name in rows.column_names if name in {c.name for c in spec_of(task).columns}}
    if spec_of(task).is_causal and not spec_of(task).has_prompt:
        columns["text"] = pc.binary_join_element_wise(rows["prompt"], rows["response"], "\n")
    return pa.table({**columns, "origin": rows["origin"].cast(pa.string())})


def _example(task: Task) -> str:
    spec = spec_of(task)
    return "images" if spec.is_image else "reviews" if spec.has_labels else "answers"
