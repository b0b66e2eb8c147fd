"""Held-out errors of fitted scaling laws on public tables of training runs, beside a plain fit; coverage of their intervals.

    python -m benchmarks.scaling_laws --data FOLDER

FOLDER holds `olmo_ladder.csv` (allenai/OLMo-ladder, Apache-2.0), `open_lm.csv` (mlfoundations/scaling, MIT),
`gemstones.csv` (mcleish7/gemstone-scaling-laws, MIT) and `repeated_epochs.csv` (IBM/ColPret, MIT). Larger runs are held out,
a loss column is a task, and a table's figure is the mean over its tasks: of OLMo's every third loss, of open_lm's C4 and every
sixteenth of the others, which keeps it to minutes. Plain is `scipy.optimize.curve_fit` on the loss, from one start, in
billions. From `regmix_*.csv` (sail-sg/regmix, MIT), Spearman of predicted and measured loss on Pile-CC by mixture weights,
fitted to 512 runs of 1M parameters. Writes `benchmarks/results/scaling.json`.
"""

from __future__ import annotations

import argparse
import csv
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import OptimizeWarning, curve_fit
from scipy.stats import spearmanr

from benchmarks.figures import Figure, figure, write_by_name
from mixval.scaling.choosing import laws_for
from mixval.scaling.fitting import few_starts, fit_law
from mixval.scaling.laws import LAWS, Floats
from mixval.scaling.mixture_weights import fit_weights
from mixval.scaling.prediction import intervals
from mixval.scaling.resampling import redraw
from mixval.scaling.runs import Runs
from mixval.scaling.studying import spread, study

COMMAND = "python -m benchmarks.scaling_laws"
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


def recovery() -> list[Figure]:
    """Intervals of coefficients from simulated runs with 0.3 % noise, and twofold extrapolation at one size."""
    draw, held, errors = np.random.default_rng(0), [], []
    size, tokens = (one.ravel() for one in np.meshgrid(np.geomspace(1e8, 2e9, 5), np.geomspace(1e9, 1e11, 7)))
    truth = {"E": 1.7, "alpha": 0.34, "beta": 0.28}
    clean = truth["E"] + 0.45 / (size / 1e9) ** truth["alpha"] + 1.1 / (tokens / 1e9) ** truth["beta"]
    columns, law = {"params": size, "tokens": tokens}, LAWS["joint"]
    for _ in range(100):
        losses = clean * np.exp(0.003 * draw.standard_normal(len(clean)))
        fit = fit_law(law, columns, losses, begun=few_starts(law))
        ends = {name: spread(redraw(fit, columns, draw, 200).named[name]) for name in truth}
        held += [ends[name][0] <= value <= ends[name][1] for name, value in truth.items()]
        budgets = np.geomspace(1e9, 1e11, 10)
        one_size = (1.8 + 1.1 / (budgets / 1e9) ** 0.4) * np.exp(0.003 * draw.standard_normal(10))
        twice = fit_law(LAWS["data"], {"tokens": budgets}, one_size).predict({"tokens": np.array([2e11])})[0]
        errors.append(abs(twice / (1.8 + 1.1 / 200**0.4) - 1))
    return [
        figure("coverage/coefficients", float(np.mean(held)), "0.80 to 0.97", "share", COMMAND),
        figure("extrapolation_error/simulated/twice_the_data", 100 * float(np.mean(errors)), "<= 0.5", "%", COMMAND),
    ]


def regmix(folder: Path) -> list[Figure]:
    """Ranks of held-out mixtures, by the model with the least error left out and by the linear one."""
    column = "metric/the_pile_pile_cc_val_loss"

    def weights(name: str) -> Floats:
        rows = read(folder / f"regmix_{name}.csv")
        found = np.stack([values for source, values in rows.items() if source.startswith("train_")], axis=1)
        return found / found.sum(axis=1, keepdims=True)

    models = fit_weights(weights("train_mixture_1m"), read(folder / "regmix_train_pile_loss_1m.csv")[column])
    linear = next(one for one in models if one.name == "linear")
    figures = []
    for size in ("1m", "60m", "1B"):
        at, losses = weights(f"test_mixture_{size}"), read(folder / f"regmix_test_pile_loss_{size}.csv")[column]
        ours, rival = (float(spearmanr(one.predict(at), losses)[0]) for one in (models[0], linear))
        figures.append(figure(f"regmix_spearman/{size}", ours, f">= {rival:.4g}, the linear model's", "Spearman", COMMAND))
    return figures


def cost(folder: Path) -> Figure:
    """Processor seconds of choice, fit and 1,000 draws for one table."""
    task = next(one for one in olmo(folder) if one.table.endswith("all_sizes"))
    began = time.process_time()
    study([Runs("c4", task.fitted, task.losses, np.arange(len(task.losses)))])
    return figure("cpu_seconds/fit_with_1000_draws", time.process_time() - began, "<= 10", "s", COMMAND)


def main() -> None:
    """All tables, then simulated runs and the cost."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    folder = parser.parse_args().data
    found: dict[str, list[dict[str, float]]] = {}
    for tasks in (gemstones, olmo, open_lm, repeated):
        for task in tasks(folder):
            if len(task.losses) > LAWS[laws_for(task.fitted)[0]].n_fitted and len(task.held_out):
                found.setdefault(task.table, []).append(judged(task))
    figures: list[Figure] = []
    for table, ones in found.items():
        ours, rival, inside = (float(np.mean([one[key] for one in ones])) for key in ("ours", "plain", "inside"))
        figures.append(
            figure(f"extrapolation_error/{table}", 100 * ours, f"<= {100 * rival:.4g}, the plain fit's", "%", COMMAND)
        )
        figures.append(figure(f"extrapolation_error_plain/{table}", 100 * rival, "", "%", COMMAND))
        figures.append(figure(f"coverage/{table}", inside, "0.80 to 0.97", "share", COMMAND))
    means = {
        key: float(np.mean([np.mean([one[key] for one in ones]) for ones in found.values()]))
        for key in ("ours", "plain", "inside")
    }
    figures.append(figure("extrapolation_error/mean", 100 * means["ours"], f"< {100 * means['plain']:.4g}", "%", COMMAND))
    figures.append(figure("coverage/mean", means["inside"], "0.80 to 0.97", "share", COMMAND))
    write_by_name("scaling", [*figures, *recovery(), *regmix(folder), cost(folder)])


if __name__ == "__main__":
    main()
