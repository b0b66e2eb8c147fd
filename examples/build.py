"""Builds the data of the three examples from larger raw files, by `plan.yaml` in each example's folder.

    python examples/build.py --data DIR [--out examples]

`DIR` holds `image_cifar10`, `sentiment` and `reasoning`, each with `real.parquet`, `synthetic.parquet` and
`test.parquet`; examples/LICENSES.md says where their rows come from. For each example it writes

    data/contributors/contributor=NAME/part-000.parquet ...   rows under the row contract, and their `id`
    data/target/part-000.parquet                              real rows, from `test.parquet`
    data/test/part-000.parquet                                more of them, where the plan asks for some: for calibrations
    data/facts.json                                           what was planted, counted in the rows written
    tokenizer/                                                byte-level BPE over the example's text (not for images)

Every draw is seeded by names (mixval.seeds), so that the same raw files, plan and pyarrow give the same bytes. No row
stands in two contributors, twice in one, or in target or test too: rows are the same when their inputs are (text in any
case and spacing; a problem in words, whoever solved it).
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from planting import Plant, Pool, Row, describe, plant_contributor

from mixval.models.tokenizers import train_tokenizer

ROW_GROUP_ROWS = 64
VOCABULARY_TOKENS = 2048
MAX_ANSWER_CHARS = 600


@dataclass(frozen=True)
class Example:
    """Where an example's raw rows lie, and how one becomes a row of the contract."""

    raw: str
    schema: pa.Schema
    read: Callable[[dict[str, Any]], Row | None]


def read_image(raw: dict[str, Any]) -> Row:
    """An image as PNG bytes, with its class."""
    return Row(raw["id"], raw["source"], raw["image"], {"image": raw["image"], "label": raw["label"]})


def read_review(raw: dict[str, Any]) -> Row:
    """A sentence in lower case, as SST-2 is distributed: capitals would give the machine text away."""
    text = " ".join(raw["text"].lower().split())
    return Row(raw["id"], raw["source"], text.encode(), {"text": text, "label": raw["label"]})


def read_answer(raw: dict[str, Any]) -> Row | None:
    """A problem and a worked solution that ends in `#### NUMBER`; None when it has no number, or is over-long."""
    if not raw["final"] or len(raw["question"] + raw["answer"]) > MAX_ANSWER_CHARS:
        return None
    key = " ".join(raw["question"].lower().split()).encode()
    content = {"prompt": raw["question"], "response": raw["answer"]}
    return Row(raw["id"], raw["source"], key, content, is_wrong=not raw["is_correct"])


def _schema(*columns: tuple[str, pa.DataType]) -> pa.Schema:
    return pa.schema([*columns, ("origin", pa.string()), ("id", pa.string())])


EXAMPLES = {
    "images": Example("image_cifar10", _schema(("image", pa.binary()), ("label", pa.int64())), read_image),
    "reviews": Example("sentiment", _schema(("text", pa.string()), ("label", pa.int64())), read_review),
    "answers": Example("reasoning", _schema(("prompt", pa.string()), ("response", pa.string())), read_answer),
}


def write_shards(rows: Sequence[tuple[Row, str]], schema: pa.Schema, folder: Path, shards: int = 1) -> None:
    """Parquet files of nearly equal length with row groups of 64 rows."""
    folder.mkdir(parents=True)
    records = [row.content | {"origin": origin, "id": row.id} for row, origin in rows]
    for shard in range(shards):
        part = records[shard * len(records) // shards : (shard + 1) * len(records) // shards]
        pq.write_table(
            pa.Table.from_pylist(part, schema=schema),
            folder / f"part-{shard:03d}.parquet",
            compression="zstd",
            compression_level=19,
            row_group_size=ROW_GROUP_ROWS,
            use_dictionary=["origin"],
        )


def build_example(name: str, data: Path, out: Path) -> None:
    """One example's contributors, target, facts and tokenizer, from nothing."""
    example, folder = EXAMPLES[name], out / name
    plan = yaml.safe_load((folder / "plan.yaml").read_text(encoding="utf-8"))
    used: set[bytes] = set()
    pools = {part: Pool(_read(data / example.raw / f"{part}.parquet", example), used) for part in ("test", "real", "synthetic")}
    shutil.rmtree(folder / "data", ignore_errors=True)
    target = [(row, "real") for row in pools["test"].draw(plan["target"]["rows"], lambda _: True, name, "target")]
    write_shards(target, example.schema, folder / "data" / "target")
    texts, contributors = _texts(target), {}
    for contributor, wish in plan["contributors"].items():
        plant = Plant(**wish)
        rows, contributors[contributor] = plant_contributor(plant, pools, name, contributor)
        write_shards(rows, example.schema, folder / "data" / "contributors" / f"contributor={contributor}", plant.shards)
        texts += _texts(rows)
    facts = {"target": describe(target), "contributors": contributors, "pairs": plan["pairs"]}
    if "test" in plan:  # drawn last, so that no other rows change with it
        test = [(row, "real") for row in pools["test"].draw(plan["test"]["rows"], lambda _: True, name, "held-out")]
        write_shards(test, example.schema, folder / "data" / "test")
        facts["test"] = describe(test)
    (folder / "data" / "facts.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    if texts:
        train_tokenizer(texts, VOCABULARY_TOKENS, folder / "tokenizer")


def _read(file: Path, example: Example) -> list[Row]:
    return [row for raw in pq.read_table(file).to_pylist() if (row := example.read(raw)) is not None]


def _texts(rows: Iterable[tuple[Row, str]]) -> list[str]:
    return [value for row, _ in rows for value in row.content.values() if isinstance(value, str)]


def main() -> None:
    """Build the examples named on the command line, or all."""
    parser = argparse.ArgumentParser(description="Builds the data of the examples from raw files.")
    parser.add_argument("--data", type=Path, required=True, help="folder with the raw files")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder with an example's plan.yaml below it")
    parser.add_argument("names", nargs="*", default=list(EXAMPLES), help="images, reviews, answers")
    given = parser.parse_args()
    if unknown := sorted(set(given.names) - set(EXAMPLES)):
        parser.error(f"expected examples out of {', '.join(EXAMPLES)}, found {', '.join(unknown)}")
    if not given.data.is_dir():
        parser.error(f"--data must be the folder of the raw files (see examples/LICENSES.md); {given.data} is no folder")
    for name in given.names:
        build_example(name, given.data, given.out)
        files = [file for file in (given.out / name).rglob("*") if file.is_file()]
        print(f"{name}: {sum(file.stat().st_size for file in files) / 1e6:.2f} MB in {len(files)} files")


if __name__ == "__main__":
    main()
