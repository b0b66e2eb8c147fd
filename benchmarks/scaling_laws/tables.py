"""Larger runs of public tables, predicted from the smaller ones, beside a plain fit; coverage of the intervals."""

from __future__ import annotations

import csv
import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import OptimizeWarning, curve_fit

from benchmarks.figures import RESULTS, Figure, figure
from mixval.scaling.choosing import laws_for
from mixval.scaling.laws import LAWS, Floats
from mixval.scaling.prediction import intervals
from mixval.scaling.runs import Runs
from mixval.scaling.studying import study

COMMAND = "python -m benchmarks.scaling_laws --data FOLDER --part"
DRAWS = 200
EVERY = {"olmo_ladder": 3, "open_lm": 16}
"""Of a table's loss columns: all of them take an hour."""
Columns = dict[str, Floats]


@dataclass(frozen=True)
class Task:
    """Smaller runs to fit, larger ones to predict."""

    table: str
    axis: str
    fitted: Columns
    losses: Floats
    larger: Columns
    held_out: Floats


def read(file: Path) -> dict[str, np.ndarray]:
    """Columns by name, as numbers where they are."""
    with file.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    found = {}
    for name in rows[0]:
        cells = [row[name] for row in rows]
        try:
            found[name] = np.array([float(cell) if cell else np.nan for cell in cells])
        except ValueError:
            found[name] = np.array(cells)
    return found


def cut(table: str, axis: str, columns: Columns, losses: Floats, held: np.ndarray, kept: np.ndarray | None = None) -> Task:
    """The task of predicting the held runs from the others, or from those kept."""
    usable = np.isfinite(losses)
    small, large = (usable & ~held if kept is None else usable & kept), usable & held
    parts = [{name: values[part] for name, values in columns.items()} for part in (small, large)]
    return Task(table, axis, parts[0], losses[small], parts[1], losses[large])


def olmo(folder: Path) -> Iterator[Task]:
    """Budgets up to 5x predict 10x, alone and jointly; sizes up to 1B predict 3B."""
    rows = read(folder / "olmo_ladder.csv")
    last = rows["is_final"] == 1
    rows = {name: values[last] for name, values in rows.items()}
    size, tokens = rows["params_nominal"], rows["tokens"]
    most, both = rows["budget"] == "10xC", {"params": size, "tokens": tokens}
    for name in list(rows)[7 :: EVERY["olmo_ladder"]]:
        for one in np.unique(size):
            own = size == one
            yield cut("olmo_ladder/5x-10x/one_size", "tokens", {"tokens": tokens[own]}, rows[name][own], most[own])
        yield cut("olmo_ladder/5x-10x/all_sizes", "tokens", both, rows[name], most)
        yield cut("olmo_ladder/1B-3B", "params", both, rows[name], rows["size"] == "3B")


def open_lm(folder: Path) -> Iterator[Task]:
    """Models below 1B predict those above, and budgets below 8x the larger ones, each corpus and loss a task."""
    rows = read(folder / "open_lm.csv")
    large, long = rows["params_no_embed"] > 1e9, rows["chinchilla_multiplier"] >= 8
    others = [name for name in rows if name.startswith("loss_") and name != "loss_c4_val"]
    for name in ("loss_c4_val", *others[:: EVERY["open_lm"]]):
        for corpus in np.unique(rows["train_data"]):
            own = rows["train_data"] == corpus
            both = {"params": rows["params_no_embed"][own], "tokens": rows["tokens"][own]}
            kind = "c4_val" if name == "loss_c4_val" else "all_losses"
            yield cut(f"open_lm/sizes/{kind}", "params", both, rows[name][own], large[own])
            small = ~large[own] & ~long[own]
            yield cut(f"open_lm/budgets/{kind}", "tokens", both, rows[name][own], long[own] & ~large[own], small)


def gemstones(folder: Path) -> Iterator[Task]:
    """Models below 1.5B predict those above; data up to 60B tokens the rest."""
    rows = read(folder / "gemstones.csv")
    both = {"params": rows["params"], "tokens": rows["tokens"]}
    yield cut("gemstones/sizes", "params", both, rows["loss"], rows["params"] > 1.5e9)
    yield cut("gemstones/budgets", "tokens", both, rows["loss"], rows["tokens"] > 6e10)


def repeated(folder: Path) -> Iterator[Task]:
    """Up to 30 epochs predict 30 to 120; models below 2B predict those above, as far as they have at most 30 epochs."""
    rows = read(folder / "repeated_epochs.csv")
    unique = rows["tokens"] / rows["epochs"]
    three = {"params": rows["params"], "tokens": rows["tokens"], "unique_tokens": unique}
    few = rows["epochs"] <= 30
    some = ~few & (rows["epochs"] <= 120)
    yield cut("repeated_epochs/epochs", "tokens", three, rows["loss"], some, few)
    large = rows["params"] > 2e9
    yield cut("repeated_epochs/sizes", "params", three, rows["loss"], large & few, ~large & few)


def plain(task: Task) -> Floats:
    """Predictions of curve_fit from one start; without them where it does not converge, the mean of the fitted losses."""
    names = [name for name in ("params", "tokens") if name in task.fitted]
    x, z = (np.stack([part[name] / 1e9 for name in names]) for part in (task.fitted, task.larger))

    def law(at: Floats, asymptote: float, *terms: float) -> Floats:
        return asymptote + sum(terms[2 * j] * at[j] ** -terms[2 * j + 1] for j in range(len(at)))

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", OptimizeWarning)
        try:
            found, _ = curve_fit(law, x, task.losses, p0=[1.0, *([1.0, 0.5] * len(names))], maxfev=20_000)
        except RuntimeError:
            return np.full(z.shape[1], task.losses.mean())
        return law(z, *found)


def judged(task: Task) -> dict[str, float]:
    """Errors of both fits, and the share of held-out runs inside 90 % intervals."""
    runs = Runs(task.table, task.fitted, task.losses, np.arange(len(task.losses)))
    fitted = study([runs], n_draws=DRAWS).mixtures[0]
    found = intervals(fitted.draws, task.larger, fitted.wide, [task.axis], np.random.default_rng(1))
    inside = [one.low <= loss <= one.high for one, loss in zip(found, task.held_out, strict=True)]
    ours = np.array([one.value for one in found])
    return {
        "ours": float(np.abs(ours / task.held_out - 1).mean()),
        "plain": float(np.abs(plain(task) / task.held_out - 1).mean()),
        "inside": float(np.mean(inside)),
    }


TASKS: dict[str, Callable[[Path], Iterator[Task]]] = {
    "gemstones": gemstones,
    "repeated_epochs": repeated,
    "olmo_ladder": olmo,
    "open_lm": open_lm,
}


def table_figures(table: str, folder: Path) -> list[Figure]:
    """A public table's errors, those of the plain fit, and the coverage of 90 % intervals: means over its tasks."""
    found: dict[str, list[dict[str, float]]] = {}
    for task in TASKS[table](folder):
        if len(task.losses) > LAWS[laws_for(task.fitted)[0]].n_fitted and len(task.held_out):
            found.setdefault(task.table, []).append(judged(task))
    command, figures = f"{COMMAND} {table}", list[Figure]()
    for name, ones in found.items():
        ours, rival, inside = (float(np.mean([one[key] for one in ones])) for key in ("ours", "plain", "inside"))
        bound = f"<= {100 * rival:.4g}"
        figures.append(figure(f"extrapolation_error/{name}", 100 * ours, bound, "%", command))
        figures.append(figure(f"extrapolation_error_plain/{name}", 100 * rival, "-", "%", command))
        figures.append(figure(f"coverage/tables/{name}", inside, "0.80 to 0.97", "share", command))
    return figures


def mean_figures() -> list[Figure]:
    """Means of the recorded figures over tables."""
    file = RESULTS / "scaling.json"
    held: list[Figure] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []

    def mean(prefix: str) -> float | None:
        values = [one["figure"] for one in held if one["name"].startswith(prefix) and "/mean" not in one["name"]]
        known = [value for value in values if value is not None]
        return float(np.mean(known)) if known else None

    ours, rival = mean("extrapolation_error/"), mean("extrapolation_error_plain/")
    command = f"{COMMAND} mean"
    return [
        figure("extrapolation_error/mean", ours, f"< {rival:.4g}", "%", command),
        figure("coverage/tables/mean", mean("coverage/tables/"), "0.80 to 0.97", "share", command),
    ]
