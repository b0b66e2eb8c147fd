"""The check of each case, by its folder's name. A case may be right in several ways: those that its `expected.txt` names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa

from benchmarks.cases.checks import (
    Check,
    at_once,
    both,
    cells,
    either,
    read_as,
    refused,
    rows_of,
    same,
    same_by_batches,
    same_labels,
    same_on_another_day,
    tensors_without_a_place,
    told,
    turns,
    valued_or_refused,
)
from benchmarks.cases.without_rows import add_rows, save_classifiers

ROLES = {"human": "user", "gpt": "assistant", "model": "assistant"}
_STRINGS = pa.struct([("role", pa.string()), ("content", pa.string())])


def _plain(table: pa.Table) -> pa.Table:
    table = cells("prompt", lambda cell: cell, pa.list_(_STRINGS))(table)
    return cells("response", lambda cell: cell, pa.string())(table)


CASES: Mapping[str, Check] = {
    "d01_sharegpt": either(
        read_as(cells("conversations", turns(ROLES, "from", "value")), 30), refused("'from'", "'value'", "convert")
    ),
    "d02_roles_gpt": either(
        read_as(cells("messages", turns(ROLES, "role", "content")), 30), told(birch=("'gpt'",), cedar=("'model'",))
    ),
    "d03_toolcalls": either(
        rows_of(amber=30, null_content=30, empty_content=30, call_is_answer=30),
        told(null_content=("tool_calls",), empty_content=("tool_calls",), call_is_answer=("tool_calls",)),
    ),
    "d05_largelist": read_as(_plain, 30),
    "d06_stringview": read_as(cells("text", lambda cell: cell, pa.string()), 30),
    "d07_nullcolumn": both(rows_of(amber=30, birch=40), read_as(cells("input", lambda cell: cell or "", pa.string()), 30)),
    "d10_classlabel_order": either(told(birch=("'pos'", "'neg'")), read_as(same_labels, 30)),
    "d11_minus_target": refused("-1"),
    "d12_folder_marker": both(told(dell=("Thumbs.db",), elm=("dataset_infos.json",)), rows_of(amber=30, birch=40, cedar=40)),
    "i01_exif": either(same("upright", "tagged"), told(tagged=("orientation",))),
    "i04_sizes": both(
        told(birch=("backbone.image_size",)), either(told(mixed=("backbone.image_size",)), rows_of(amber=24, mixed=23))
    ),
    "m02_label_order": refused("'pos'", "'neg'", "label"),
    "m03_not_causal": refused("no causal model"),
    "m05_unexpected": tensors_without_a_place,
    "m06_fnet": same_by_batches,
    "m12_no_embeddings": valued_or_refused("canine", "ibert"),
    "s01_race": at_once,
    "t01_system_role": both(rows_of(amber=30, birch=29), told(cedar=("system", "role"))),
    "t02_template_date": same_on_another_day,
    "t04_special_in_text": both(
        told(blank=("response",), empty=("response",), eos_only=("response",)), same("amber", "eos-end")
    ),
}
PREPARED: Mapping[str, Callable[[Path], object]] = {
    "m05_unexpected": lambda case: add_rows(case, "instruction", "./model/wrong"),
    "m12_no_embeddings": save_classifiers,
}
"""What a case lacks that its script does not write."""
