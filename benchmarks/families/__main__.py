"""Try every architecture of the list: `python -m benchmarks.families [MODEL_TYPE ...]`, two minutes of a core.

Without names the whole list is stored as `benchmarks/results/families.json`, which docs/models.md shows
(`python -m docs.generate_models`), and its figures in `first_evening.json`.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from dataclasses import asdict

from benchmarks.families.examine import BY_ADAPTERS, BY_WEIGHTS, REFUSED, examine
from benchmarks.families.listed import FAMILIES
from benchmarks.figures import RESULTS, figure, write_by_name

STORED = RESULTS / "families.json"
COMMAND = "python -m benchmarks.families"


def main(names: list[str]) -> None:
    """Try those named, or all, and print each."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    found = []
    for tried in FAMILIES:
        if names and tried.model_type not in names:
            continue
        started = time.process_time()
        one = examine(tried)
        found.append(one)
        seconds = time.process_time() - started
        print(f"{one.family:<22} {one.saved_as:<32} {one.outcome:<24} {one.head:<4} {one.rows:<11} {seconds:5.1f} s  {one.why}")
    if names:
        return
    STORED.write_text(json.dumps([asdict(one) for one in found], indent=1) + "\n", encoding="utf-8")
    counted = Counter(one.outcome for one in found)
    outcomes = [
        figure(f"families/{outcome}", counted[outcome], target, "checkpoints", COMMAND)
        for outcome, target in ((BY_WEIGHTS, ">= 60"), (BY_ADAPTERS, "with LoRA"), (REFUSED, "by name"))
    ]
    types = figure("families/architectures", len({one.family for one in found}), ">= 60", "model types", COMMAND)
    write_by_name("first_evening", [types, *outcomes])


if __name__ == "__main__":
    main(sys.argv[1:])
