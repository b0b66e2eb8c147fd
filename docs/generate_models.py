"""The table of docs/models.md, from `benchmarks/results/families.json`: `python -m docs.generate_models`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from docs.engine_tables import cell
from docs.marked import rewrite

FILE = Path(__file__).with_name("models.md")
STORED = Path(__file__).parents[1] / "benchmarks" / "results" / "families.json"
TASKS = {
    "text-classification": "Encoders, and decoders as encoders: `text-classification`",
    "instruction": "Causal language models: `instruction` and `language-modelling`",
    "image-classification": "Image backbones: `image-classification`",
}
HEADER = ["model type", "saved as", "head", "rows", "gradients by weights", "LoRA on `all-linear`", "what mixval says"]


def tables() -> str:
    """A table a task, in the order of the list."""
    held = json.loads(STORED.read_text(encoding="utf-8"))
    return "\n\n".join(
        f"### {title}\n\n{_table([one for one in held if one['task'] == task])}" for task, title in TASKS.items()
    )


def _table(found: list[dict[str, Any]]) -> str:
    lines = [HEADER, ["---"] * len(HEADER), *(_line(one) for one in found)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _line(one: dict[str, Any]) -> list[str]:
    weights = "yes" if one["outcome"] == "gradients by weights" else "no"
    head, rows = one["head"] or "not loaded", one["rows"] or "–"
    return [
        f"`{one['family']}`",
        one["saved_as"],
        head,
        rows,
        weights,
        "yes" if one["lora"] else "no",
        cell(_short(one["why"])),
    ]


def _short(why: str) -> str:
    """The first sentence, and the setting that works where one is named."""
    first, _, rest = why.partition(". ")
    works = rest.partition(". ")[0] if "`" in rest.partition(". ")[0] else ""
    return f"{first.rstrip('.')}. {works.rstrip('.')}.".replace(" .", "") if works else first


def main() -> None:
    """Write the tables."""
    rewrite(FILE, "families", tables())


if __name__ == "__main__":
    main()
