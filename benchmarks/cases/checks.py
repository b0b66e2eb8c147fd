"""Checks of what came of a case: the complaint, or None where it is right."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import yaml

from benchmarks.cases.run import CONFIG, Case, Ran, values_of_twin
from benchmarks.cases.without_rows import add_rows
from mixval.errors import ModelError

NEAR = 1e-6
"""Nats: the same rows, measured in two processes."""
AHEAD = "DAY-24"
"""A time zone whose date is tomorrow's."""
Check = Callable[[Case, Ran], str | None]


def read_as(change: Callable[[pa.Table], pa.Table], n_rows: int) -> Check:
    """Everybody is ranked with all rows, and by the values that the same rows have in plain spelling."""

    def check(case: Case, ran: Ran) -> str | None:
        if not ran.values or ran.reasons:
            return f"not everybody was ranked: {ran.reasons or ran.end}"
        if fewer := [name for name, count in ran.rows.items() if count < n_rows]:
            return f"rows are missing of {', '.join(fewer)}"
        return differing(ran.values, values_of_twin(case, change))

    return check


def either(*checks: Check) -> Check:
    """One of them is enough; else the complaints of all."""

    def check(case: Case, ran: Ran) -> str | None:
        complaints = []
        for one in checks:
            complaint = one(case, ran)
            if complaint is None:
                return None
            complaints.append(complaint)
        return "; ".join(complaints)

    return check


def both(*checks: Check) -> Check:
    """All of them; the first complaint."""
    return lambda case, ran: next((said for said in (check(case, ran) for check in checks) if said), None)


def refused(*words: str) -> Check:
    """The run ends with an error of its own and these words; or is published with a warning of them."""

    def check(_: Case, ran: Ran) -> str | None:
        if ran.says("Traceback"):
            return f"a traceback: {ran.end}"
        return None if ran.says(*words) else f"{' and '.join(words)} expected, found: {ran.end}"

    return check


def told(**of: tuple[str, ...]) -> Check:
    """Each of these contributors is refused or warned of with its words, and all others are ranked."""
    expected = {name.replace("_", "-"): words for name, words in of.items()}

    def check(case: Case, ran: Ran) -> str | None:
        if ran.code:
            return f"exit code {ran.code}: {ran.end}"
        for name, words in expected.items():
            if not ran.told(name, *words):
                return f"{name}: {' and '.join(words)} expected, found {ran.reasons.get(name, 'no refusal')!r}"
        others = {one.name for one in (case.folder / "contributors").iterdir() if one.is_dir()} - expected.keys()
        missing = sorted(others - ran.values.keys())
        return f"not ranked: {', '.join(missing)}" if missing else None

    return check


def rows_of(**of: int) -> Check:
    """These contributors are ranked with so many rows."""
    expected = {name.replace("_", "-"): count for name, count in of.items()}

    def check(_: Case, ran: Ran) -> str | None:
        found = {name: ran.rows.get(name, 0) for name in expected}
        return None if found == expected else f"rows {expected} expected, found {found}: {ran.end}"

    return check


def same(*names: str) -> Check:
    """These contributors have one value, since their rows are the same."""

    def check(_: Case, ran: Ran) -> str | None:
        if missing := sorted(set(names) - ran.values.keys()):
            return f"not ranked: {', '.join(missing)}: {ran.end}"
        first, *others = (ran.values[name] for name in names)
        alike = all(abs(first - other) < NEAR for other in others)
        return None if alike else f"one value of {' and '.join(names)} expected, found {ran.values}"

    return check


def same_on_another_day(case: Case, ran: Ran) -> str | None:
    """A run of tomorrow has the same values, from nothing stored."""
    again(case, CONFIG, "later.yaml")
    return differing(case.valued("later.yaml", TZ=AHEAD).values, ran.values)


def same_by_batches(case: Case, ran: Ran) -> str | None:
    """Values by both configurations, which differ in `runtime.batch_rows`; or both refused."""
    other = case.valued("mixval2.yaml")
    if all(one.code and one.says("padding") and not one.says("Traceback") for one in (ran, other)):
        return None
    return differing(other.values, ran.values)


def at_once(case: Case, _: Ran) -> str | None:
    """Two first starts at the same time on a new machine: both publish."""
    for config in ("one.yaml", "two.yaml"):
        again(case, CONFIG, config)
    with ThreadPoolExecutor(2) as pool:
        found = list(
            pool.map(lambda config: case.valued(config, PREFECT_HOME=str(case.folder / "new")), ("one.yaml", "two.yaml"))
        )
    return next((f"exit code {one.code}: {one.end}" for one in found if one.code), None)


def tensors_without_a_place(case: Case, ran: Ran) -> str | None:
    """The model that leaves tensors of its file out is refused; the one that takes them all is not."""
    add_rows(case.folder, "instruction", "./model/right")
    right = case.valued()
    if not right.values:
        return f"the model that fits its file was not taken: {right.end}"
    refusal = refused("tensors", "no place")(case, ran)
    return refusal or (f"values of another model: {ran.values}" if ran.values and not ran.says("no place") else None)


def valued_or_refused(*models: str) -> Check:
    """Each model is taken, or refused by an error of the model; none ends in a traceback."""

    def check(case: Case, _: Ran) -> str | None:
        for model in models:
            add_rows(case.folder, "text-classification", f"./{model}")
            ran = case.valued()
            if ran.says("Traceback") or not (ran.values or ran.code == ModelError.exit_code):
                return f"{model}: exit code {ran.code}: {ran.end}"
        return None

    return check


def differing(found: dict[str, float], expected: dict[str, float]) -> str | None:
    """The contributors whose values are not the same, as a complaint."""
    if not expected or found.keys() != expected.keys():
        return f"values of {sorted(expected) or 'somebody'} expected, found those of {sorted(found) or 'nobody'}"
    apart = [name for name in expected if not abs(found[name] - expected[name]) < NEAR]
    return f"{', '.join(apart)}: {found} where {expected} was expected" if apart else None


def again(case: Case, config: str, copy: str) -> None:
    """A second configuration, which differs in its output alone."""
    given = yaml.safe_load((case.folder / config).read_text(encoding="utf-8"))
    (case.folder / copy).write_text(yaml.safe_dump(given | {"output": f"./out-{copy}"}), encoding="utf-8")


def cells(column: str, change: Callable[[Any], Any], kind: pa.DataType | None = None) -> Callable[[pa.Table], pa.Table]:
    """A table with each cell of a column changed, and the column of another Arrow type."""

    def changed(table: pa.Table) -> pa.Table:
        made = pa.array([change(cell) for cell in table[column].to_pylist()], kind)
        return table.set_column(table.schema.get_field_index(column), column, made)

    return changed


def turns(rename: dict[str, str], role: str, content: str) -> Callable[[Any], Any]:
    """Messages with role and content under these names, and roles in plain words."""
    return lambda cell: [{"role": rename.get(turn[role], turn[role]), "content": turn[content]} for turn in cell]


def same_labels(table: pa.Table) -> pa.Table:
    """Labels in the target's order of names, without metadata."""
    info = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]["label"]["names"]
    table = cells("label", lambda label: ["neg", "pos"].index(info[label]))(table)
    return table.replace_schema_metadata(None)
