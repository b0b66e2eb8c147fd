"""Checks beyond the single row: repeated rows, shards, contributors, rows shared between contributors."""

from __future__ import annotations

from mixval.config.gate import GateConfig
from mixval.config.tasks import Task, spec_of
from mixval.contracts.parts import PARTS
from mixval.contracts.rows import ORIGIN
from mixval.gate.checks import Check, must_be_true, must_lie


def repeat_checks(about: str) -> list[Check]:
    """Requirements of a row that passed the row checks, compared with earlier rows and the target set.

    `about` names the column that shows the inputs.
    """
    return [
        must_be_true(
            "row_is_first",
            "drop",
            "a row must not repeat the inputs of an earlier row of the same contributor",
            "Deduplicate the data; the first of equal rows stays.",
            about=about,
        ),
        must_be_true(
            "not_in_target",
            "drop",
            "a row's inputs must not be in the target set",
            "Remove the row: the target set is held out, and copies of it would inflate the contributor's value.",
            about=about,
        ),
    ]


def shard_checks(task: Task) -> list[Check]:
    """Requirements of each shard: one row per shard."""
    names_classes = must_be_true(
        "has_class_names",
        "reject",
        "the names that a shard's metadata give to the labels must be the target's",
        "Map the labels to the target's, or correct the names where the file is written.",
        about="shard",
    )
    columns = (*spec_of(task).columns, ORIGIN)
    names = ", ".join(f"'{column.name}'" for column in columns)
    types = "; ".join(f"'{column.name}' {column.expected}" for column in columns[:-1])
    return [
        must_be_true(
            "is_readable",
            "reject",
            "a shard must be a readable data file",
            "Write the file again, or leave the shard out of the catalogue.",
            about="shard",
        ),
        must_be_true(
            "has_columns",
            "reject",
            f"a shard must have the columns {names}",
            "Add the column, or map another one to it in source.columns.",
            about="shard",
        ),
        must_be_true(
            "has_types",
            "reject",
            f"columns must have the types of the row contract: {types}",
            "Convert the column, or leave the shard out of the catalogue.",
            about="shard",
        ),
        *([names_classes] if spec_of(task).has_labels else []),
    ]


def contributor_checks(task: Task, limits: GateConfig) -> list[Check]:
    """Requirements of a contributor as a whole: one row, null where a figure is undefined."""
    rows_remedy = "Add more rows, or lower the limit."
    checks = [
        must_lie(
            "n_rows",
            "reject",
            "a contributor must have at least 1 row",
            "Put data files with rows into its folder, or remove the contributor from the source.",
            low=1,
        ),
        must_lie(
            "n_rows_in_all",
            "reject",
            f"a contributor must have at most {limits.max_rows:,} rows (gate.max_rows)",
            "Leave rows out, or raise the limit: each takes some 100 bytes of memory.",
            high=limits.max_rows,
        ),
        must_lie(
            "unfolding",
            "reject",
            f"rows must have at most {limits.max_unfolding:,} bytes once decoded per byte of their files (gate.max_unfolding)",
            "Look for values that are repeated by dictionary, and write each row with its own.",
            high=limits.max_unfolding,
        ),
        must_lie(
            "n_left",
            "reject",
            "at least 1 row must pass the row checks",
            "Correct the rows as the other findings describe.",
            low=1,
        ),
        must_lie(
            "n_left_if_any",
            "reject",
            f"at least {limits.min_rows} rows must remain after bad rows are dropped (gate.min_rows)",
            rows_remedy,
            low=limits.min_rows,
        ),
    ]
    for part in PARTS:
        expected = f"a {part} part that is not empty must have at least {limits.min_rows_per_part} rows"
        checks.append(
            must_lie(
                f"n_{part}_if_any",
                "reject",
                f"{expected} (gate.min_rows_per_part)",
                f"Add more {part} rows, remove all of them, or lower the limit.",
                low=limits.min_rows_per_part,
            )
        )
    return checks + _share_checks(limits) + (_class_checks(limits) if spec_of(task).has_labels else [])


def shared_checks(limits: GateConfig) -> list[Check]:
    """Requirements between contributors: one row per contributor."""
    return [
        must_lie(
            "shared_share",
            limits.shared_rows,
            f"at most {limits.max_shared_share:g} of the rows may also belong to another contributor (gate.max_shared_share)",
            "Find out who copied and keep one of them, or raise the limit.",
            high=limits.max_shared_share,
        )
    ]


def _share_checks(limits: GateConfig) -> list[Check]:
    shares = (
        ("bad_row_share", "max_bad_row_share", limits.max_bad_row_share, "may break the row checks", "Correct the rows"),
        ("duplicate_share", "max_duplicate_share", limits.max_duplicate_share, "may repeat an earlier row", "Deduplicate"),
        (
            "target_overlap_share",
            "max_target_overlap_share",
            limits.max_target_overlap_share,
            "may be in the target set",
            "Remove the target's rows",
        ),
    )
    return [
        must_lie(
            column,
            "reject",
            f"at most {limit:g} of the rows {what} (gate.{field})",
            f"{remedy}, or raise the limit.",
            high=limit,
        )
        for column, field, limit, what, remedy in shares
    ]


def _class_checks(limits: GateConfig) -> list[Check]:
    remedy = "Add rows of other classes, or set gate.min_classes to 1."
    expected = f"the remaining rows must have at least {limits.min_classes} distinct labels (gate.min_classes)"
    return [must_lie("n_classes", "reject", expected, remedy, low=limits.min_classes)]
