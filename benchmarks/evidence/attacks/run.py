"""Measures what contributors gain by cheating in a world that has truth: every attack by several middling contributors.

    python -m benchmarks.evidence.attacks.run FOLDER --out OUT [--world cifar10] [--contributors 4] [--seeds 2] [--figures]

FOLDER is a world as `benchmarks/evidence/measure.py` leaves it; nothing is written there. OUT gets the altered rows and their
truth, both resumable, and `attacks.json`, which grows attack by attack; without OUT, what FOLDER/attacks.json holds is shown.
Who attacks: contributors that the gate's default limits admit whole, with rows of both origins, nearest to the median truth.
The best of those admitted is copied from.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from benchmarks.evidence.attacks.catalogue import ATTACKS, Attack, AttackerView, attacks_for
from benchmarks.evidence.attacks.gate import Gate
from benchmarks.evidence.attacks.measure import Arena, middling, truth_change
from benchmarks.evidence.attacks.results import WorldAttacks, read_attacks, summaries, write_attacks
from benchmarks.evidence.attacks.table import attacks_text
from benchmarks.evidence.worlds.settings import WORLDS
from benchmarks.figures import Figure, figure, write_beside
from mixval.config.gate import GateConfig
from mixval.config.load import load_config
from mixval.config.valuation import ValuationConfig
from mixval.evidence.baselines.inputs import Budget, Contributor, Inputs
from mixval.evidence.baselines.registry import METHODS
from mixval.evidence.truth import TruthJob, read_truth, train_contributor, truth_matrix
from mixval.models.backbone import Backbone
from mixval.models.load import load_backbone
from mixval.storage.root import open_location
from mixval.storage.tables import decode_table, write_table

COMMAND = "python -m benchmarks.evidence.attacks.run"
OURS = "ntk-regression"
RANKED = (OURS, "eq8-equal-z", "loss", "mmd", "knn-shapley")
FEWEST_OF_A_PART = 5
COALITION_PLAYERS = 2
"""Attackers whose copies are valued in coalitions too: each costs K (orders + 1) coalitions."""


@dataclass(frozen=True)
class Ground:
    """A world on disk, and where what is measured goes."""

    folder: Path
    out: Path
    world: str
    seeds: int

    @cached_property
    def config(self) -> ValuationConfig:
        """Its own."""
        return load_config(self.folder / "config.yaml")

    @cached_property
    def target(self) -> pa.Table:
        """T."""
        return _rows(self.folder / "target")

    @cached_property
    def tables(self) -> dict[str, pa.Table]:
        """Contributor -> rows, by name."""
        folders = sorted((self.folder / "contributors").iterdir())
        return {folder.name.partition("=")[2]: _rows(folder) for folder in folders}

    @cached_property
    def classes(self) -> list[int] | None:
        """All labels of the task."""
        if "label" not in self.target.column_names:
            return None
        return sorted({*self.target["label"].to_pylist(), *_rows(self.folder / "test")["label"].to_pylist()})

    @cached_property
    def backbone(self) -> Backbone:
        """That values."""
        return load_backbone(self.config.backbone, self.config.task, self.classes)

    def home(self, name: str) -> Path:
        """A contributor's folder."""
        return self.folder / "contributors" / f"contributor={name}"

    def truth(self, name: str, folders: list[Path]) -> float:
        """Mean test metric over seeds of a training on the rows of these folders."""
        jobs = [
            TruthJob(
                contributor=name,
                rows=[str(folder) for folder in folders],
                test=str(self.folder / "test"),
                output=str(self.out / "truth"),
                task=self.config.task,
                backbone=self.config.backbone,
                classes=self.classes,
                recipe=WORLDS[self.world].recipe,
                seed=seed,
            )
            for seed in range(self.seeds)
        ]
        for job in jobs:
            train_contributor(job)
        return float(np.mean(truth_matrix(read_truth(jobs))[1]))

    def altered(self, attack: Attack, name: str, donor: str) -> Path:
        """The folder with a contributor's altered rows, made unless it is there."""
        folder = self.out / "altered" / f"{attack.name}-{attack.strength:g}" / f"contributor={name}"
        if not folder.is_dir():
            sight = AttackerView(self.config.task, self.target, self.tables[donor], self.backbone)
            table = attack.apply(self.tables[name], sight, seed=self.config.seed)
            write_table(open_location(folder / "part-000.parquet"), table)
        return folder


def measure(ground: Ground, n_attackers: int, n_players: int | None, attacks: list[Attack], orders: int) -> WorldAttacks:
    """Every attack by every chosen contributor; what is known so far is stored after each."""
    gate = Gate(ground.config.task, ground.target, GateConfig(), ground.config.backbone)
    truth = {name: ground.truth(name, [ground.home(name)]) for name in ground.tables}
    admitted = [name for name, table in ground.tables.items() if gate.check(name, table).outcome.verdict == "admitted"]
    donor = max(admitted, key=lambda name: truth[name])
    chosen = middling(truth, [name for name in admitted if name != donor and _has_both(ground.tables[name])], n_attackers)
    players = _players(truth, [donor, *chosen], n_players)
    print(f"{', '.join(chosen)} attack among {len(players)}; {donor} is copied from", file=sys.stderr)
    tries = [(attack, name) for attack in attacks for name in chosen]
    altered = {(attack.name, name): _rows(ground.altered(attack, name, donor)) for attack, name in tries}
    contributors = [Contributor(name, ground.tables[name]) for name in players]
    inputs = Inputs(ground.config.task, contributors, ground.target, ground.backbone, Budget())
    methods = [name for name in RANKED if METHODS[name].applies(inputs.task)]
    arena = Arena.of(inputs, list(altered.values()), gate, methods, orders)
    result = WorldAttacks(
        world=ground.world,
        task=ground.config.task,
        n_contributors=len(players),
        n_seeds=ground.seeds,
        ours=OURS,
        methods=methods,
        strengths={attack.name: attack.strength for attack in attacks},
        honest_near=_honest_near(arena),
        attacks=[],
        command=f"{COMMAND} {ground.world} --contributors {n_attackers} --among {len(players)} --seeds {ground.seeds}",
    )
    known = {name: truth[name] for name in players}
    for attack, name in tries:
        print(f"{attack.name} by {name}", file=sys.stderr)
        folder = ground.altered(attack, name, donor)
        after = truth_change(known, name, ground.truth(f"{name} {attack.name}", [folder]))
        beside = _beside(ground, attack, name, donor, folder)
        has_coalitions = attack.is_copy and name in chosen[:COALITION_PLAYERS]
        found = arena.outcome(attack.name, name, altered[attack.name, name], after, beside, has_coalitions)
        result = result.model_copy(update={"attacks": [*result.attacks, found]})
        write_attacks(result, open_location(ground.out))
    return result


def _players(truth: dict[str, float], needed: list[str], n: int | None) -> list[str]:
    """Those that are needed and, evenly over the ranks of truth, as many others as make `n`, by name; all for None."""
    others = sorted((name for name in truth if name not in needed), key=lambda name: (truth[name], name))
    n_others = len(others) if n is None else min(max(0, n - len(needed)), len(others))
    places = np.linspace(0, len(others) - 1, n_others).round().astype(int)
    return sorted([*needed, *(others[at] for at in places)])


def _beside(ground: Ground, attack: Attack, name: str, donor: str, folder: Path) -> tuple[float, float] | None:
    """Truth when trained with the set that is copied from, before and after."""
    if not attack.needs & {"target", "donor"} or not attack.is_copy:
        return None
    source = ground.folder / "target" if "target" in attack.needs else ground.home(donor)
    rows = ((f"{name} beside", ground.home(name)), (f"{name} {attack.name} beside", folder))
    before, after = (ground.truth(label, [source, own]) for label, own in rows)
    return before, after


def _honest_near(arena: Arena) -> dict[str, float]:
    """Largest shares of near rows over contributors in which the gate finds nothing, shared rows included."""
    checked = {name: arena.gate.among(found, arena.gated) for name, found in arena.gated.items()}
    shares = [arena.near(arena.world, name).shares for name, found in checked.items() if not found.outcome.findings]
    return {kind: max(one[kind] for one in shares) for kind in shares[0]}


def _has_both(table: pa.Table) -> bool:
    n_real = table["origin"].to_pylist().count("real")
    return bool(min(n_real, table.num_rows - n_real) >= FEWEST_OF_A_PART)


def _rows(folder: Path) -> pa.Table:
    return pa.concat_tables(
        [decode_table(file, file.read_bytes()) for file in open_location(folder).files(".parquet")]
    ).combine_chunks()


def figures(result: WorldAttacks) -> list[Figure]:
    """Ranks that each attack gains by method, in truth and after the gate (none where it rejects), and what notices it."""
    command, found = result.command or f"{COMMAND} {result.world}", summaries(result)
    claims: list[tuple[str, float | None, str]] = []
    for one in found:
        claims += [(f"{one.attack}/gain/{method}", gain, "ranks") for method, gain in one.gains.items()]
        claims += [
            (f"{one.attack}/truth_gain", one.truth_gain, "ranks"),
            (f"{one.attack}/after_gate_gain", one.after_gate, "ranks"),
        ]
        claims += [(f"{one.attack}/works", int(one.works), "1"), (f"{one.attack}/noticed_by", len(one.caught_by), "1")]
    working = [one for one in found if one.works]
    claims += [("works", len(working), "1"), ("unnoticed", sum(not one.caught_by for one in working), "1")]
    known = [(name, value, unit) for name, value, unit in claims if value is not None]
    return [figure(f"attacks/{result.world}/{name}", value, "-", unit, command) for name, value, unit in known]


def measured(given: argparse.Namespace) -> WorldAttacks:
    """The world that the command line names, measured."""
    torch.set_num_threads(1)
    out, folder = given.out.resolve(), given.folder.resolve()
    if (folder / "truth").is_dir() and not (out / "truth").is_dir():
        shutil.copytree(folder / "truth", out / "truth")
    ground = Ground(folder, out, given.world or folder.name, given.seeds)
    attacks = [one for one in attacks_for(ground.config.task) if given.attacks is None or one.name in given.attacks]
    return measure(ground, given.contributors, given.among, attacks, given.orders)


def main() -> None:
    """Measure the world named on the command line and print the table."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Measures what contributors gain by cheating.")
    parser.add_argument("folder", type=Path, help="a world with truth, as measure.py leaves it; without --out, its results")
    parser.add_argument("--out", type=Path, help="folder for altered rows, truth and attacks.json")
    parser.add_argument("--world", choices=sorted(WORLDS), help="its kind; by default the folder's name")
    parser.add_argument("--contributors", type=int, default=4, help="that attack")
    parser.add_argument("--among", type=int, help="contributors that are ranked, over all ranks of truth; by default all")
    parser.add_argument("--seeds", type=int, default=2, help="trainings for each truth")
    parser.add_argument("--orders", type=int, default=4, help="of sampled Shapley values")
    parser.add_argument("--attacks", nargs="+", choices=sorted(ATTACKS), metavar="NAME")
    parser.add_argument("--figures", action="store_true", help="write benchmarks/results/evidence.json")
    given = parser.parse_args()
    result = read_attacks(open_location(given.folder)) if given.out is None else measured(given)
    print(attacks_text(result))
    if given.figures:
        write_beside("evidence", figures(result), f"{COMMAND} {result.world}")


if __name__ == "__main__":
    main()
