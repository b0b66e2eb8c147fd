"""Damaged artifacts: a finished run's store is spoiled, and the run is repeated on it.

    python -m benchmarks.torture.artifacts [--seconds 600] [--route sketched] [--together 20]

Random files of random artifacts, records and data, in the ways of `SPOILS`, some together, until the time is over. A run that
publishes must publish the ranking of a whole store, or name who failed. The figures `artifacts_damaged`, `wrong_published` and
`ended_by_damage` (runs that ended with an error) go to `benchmarks/results/torture.json`.
"""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.figures import figure
from benchmarks.torture import told
from benchmarks.torture.world import OTHER_DAMPING, ROUTES, config_of, lay_out, ranking_of
from mixval.config.valuation import ValuationConfig
from mixval.errors import MixvalError
from mixval.storage.damage import take_damage
from mixval.storage.records import RECORD
from mixval.storage.root import open_location

COMMAND = "python -m benchmarks.torture.artifacts"


class Outcome(NamedTuple):
    """How a run on a spoiled store ended."""

    is_wrong: bool
    """It published another ranking and did not name the contributors that it lacks."""
    error: str | None
    """Why it ended without publishing."""
    is_told: bool
    """The run says in its warnings that something was made again."""


def flip(file: Path) -> None:
    """One bit of one byte in the middle."""
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.write_bytes(bytes(data))


def cut(file: Path) -> None:
    """The last half is gone."""
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file: Path) -> None:
    """Nothing is left."""
    file.write_bytes(b"")


def gone(file: Path) -> None:
    """The file is gone."""
    file.unlink()


def other_json(file: Path) -> None:
    """JSON that means something else."""
    file.write_bytes(b'{"n": 1, "files": {}}')


def other_file(file: Path) -> None:
    """The file of another artifact of the same kind, or its own twice."""
    suffix = file.suffix if file.name != RECORD else RECORD
    others = [one for one in sorted(kind_of(file).rglob(f"*{suffix}")) if one != file and one.read_bytes() != file.read_bytes()]
    file.write_bytes(others[0].read_bytes() if others else 2 * file.read_bytes())


def other_artifact(file: Path) -> None:
    """The folder of another artifact of the same kind in the place of this one's; where there is none, its record is cut."""
    folder = folder_of(file)
    others = [one.parent for one in sorted(kind_of(file).rglob(RECORD)) if one.parent != folder]
    if not others:
        cut(folder / RECORD)
        return
    shutil.rmtree(folder)
    shutil.copytree(others[0], folder)


SPOILS: dict[str, Callable[[Path], None]] = {
    one.__name__: one for one in (flip, cut, empty, gone, other_json, other_file, other_artifact)
}


def folder_of(file: Path) -> Path:
    """The artifact that a file belongs to."""
    return file.parent if file.name == RECORD else file.parent.parent


def kind_of(file: Path) -> Path:
    """The folder of all artifacts of a file's kind."""
    return folder_of(file).parent.parent


def one_of_each(store: Path, draw: random.Random, n: int) -> list[Path]:
    """At most `n` files of different artifacts of a store: as many of rare kinds as of frequent ones."""
    kinds = sorted((store / "artifacts").iterdir())
    found = dict[Path, Path]()
    for _ in range(n):
        file = draw.choice([file for file in sorted(draw.choice(kinds).rglob("*")) if file.is_file()])
        found.setdefault(folder_of(file), file)
    return list(found.values())


class Store:
    """A finished run's store, and what runs on copies of it must publish."""

    def __init__(self, folder: Path, route: str) -> None:
        """Lay out the world where it is missing, and make the runs on a whole store."""
        self._folder, self._route = folder, route
        if not (folder / "source").exists():
            lay_out(folder)
        self.whole = folder / f"whole-{route}"
        ranking_of(config_of(folder, self.whole, route))
        shutil.rmtree(self.whole / "runs")
        (self.whole / "latest.json").unlink()
        self.expected = {name: ranking_of(config)[0] for name, config in self._configs(self.copied()).items()}

    def copied(self) -> Path:
        """A copy to spoil."""
        copy = self._folder / f"spoiled-{self._route}"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.whole, copy)
        return copy

    def run(self, spoiled: Path) -> dict[str, Outcome]:
        """Runs on a spoiled copy, by what they ask: the same again, and with another damping, which reads the passes."""
        return {name: self._outcome(name, config) for name, config in self._configs(spoiled).items()}

    def _configs(self, output: Path) -> dict[str, ValuationConfig]:
        changes: dict[str, dict[str, Any]] = {"other damping": OTHER_DAMPING[self._route], "the same": {}}
        return {name: config_of(self._folder, output, self._route, **change) for name, change in changes.items()}

    def _outcome(self, name: str, config: ValuationConfig) -> Outcome:
        try:
            ranking, failed, warnings = ranking_of(config)
        except MixvalError as error:
            take_damage(open_location(config.output).url)
            return Outcome(False, str(error), False)
        named = {row["contributor"] for row in self.expected[name]} - {row["contributor"] for row in ranking}
        is_wrong = named != set(failed) if failed else ranking != self.expected[name]
        return Outcome(is_wrong, None, "made-again" in warnings)


def spoiled_runs(store: Store, until: float, seed: int, together: int) -> Iterator[tuple[list[str], dict[str, Outcome]]]:
    """What was spoiled and how the runs on it ended, until `time.monotonic()` is `until`."""
    draw = random.Random(seed)
    while time.monotonic() < until:
        copy, spoiled = store.copied(), []
        for file in one_of_each(copy, draw, together):
            if file.exists():  # it may have been in an artifact that another one took the place of
                spoil = draw.choice(list(SPOILS))
                SPOILS[spoil](file)
                spoiled.append(f"{spoil} {file.relative_to(copy)}")
        yield spoiled, store.run(copy)


def main() -> None:
    """Spoil and count."""
    parser = told.parser("Damaged artifacts.", 600.0)
    parser.add_argument("--route", choices=list(ROUTES), action="append")
    parser.add_argument("--together", type=int, default=20)
    given = parser.parse_args()
    routes = given.route or list(ROUTES)
    counts = dict.fromkeys(("artifacts_damaged", "wrong_published", "ended_by_damage", "untold"), 0)
    for route in routes:
        with tempfile.TemporaryDirectory() as folder:
            store = Store(Path(folder), route)
            for what, outcomes in spoiled_runs(
                store, time.monotonic() + given.seconds / len(routes), given.seed, given.together
            ):
                counts["artifacts_damaged"] += len(what)
                counts["wrong_published"] += any(one.is_wrong for one in outcomes.values())
                counts["ended_by_damage"] += any(one.error is not None for one in outcomes.values())
                counts["untold"] += not any(one.is_told or one.error for one in outcomes.values())
                for name, one in outcomes.items():
                    if one.is_wrong or one.error:
                        print(f"{route}: {', '.join(what)}; {name}: {one.error or 'another ranking'}", flush=True)
    targets = {"artifacts_damaged": ">= 34", "wrong_published": "0", "ended_by_damage": "0", "untold": "-"}
    figures = [figure(f"artifacts/{k}", n, targets[k], "", COMMAND) for k, n in counts.items()]
    told.tell(figures, COMMAND, not given.no_figures)


if __name__ == "__main__":
    main()
