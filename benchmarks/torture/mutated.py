"""Mutated Parquet: spoiled shards of strangers, read and gated beside an honest contributor, and measured where they pass.

    python -m benchmarks.torture.mutated [--files 2000] [--seconds 1e9] [--at-once 1] [--keep FOLDER]

Many spoiled contributors of one task stand in a run, of stages in a process of its own. An escape is what must not come of any
file: the process dies, takes more than a minute of its core, stands still, or raises; a contributor is without a verdict, or
fails by an error that mixval does not know; the honest contributor has another verdict or other terms. The figures
`mutated/mutated_files`, `mutated/escapes` and the memory that a process took go to `benchmarks/results/torture.json`.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.figures import Figure, figure
from benchmarks.torture import told
from benchmarks.torture.mutations import MUTATIONS, Shard
from benchmarks.torture.scenes import Scene
from benchmarks.torture.seeds import TASKS, seed
from mixval.config.tasks import Task

COMMAND = "python -m benchmarks.torture.mutated"
TOGETHER = 25
"""Spoiled contributors of a run."""


def spoiled(task: Task, number: int, given: int) -> tuple[str, bytes]:
    """The name and the bytes of the spoiled shard of this number, the same for the same `given`."""
    draw = random.Random(f"{given} {task} {number}")
    names = list(MUTATIONS)
    kind = names[number % len(names)] if number < len(names) else draw.choice(names)
    shard, other = (seed(draw.choice((task, task, draw.choice(TASKS))) if at else task, draw) for at in range(2))
    return f"{number:06d}-{kind}", MUTATIONS[kind](Shard(shard), draw, other)


class Harness:
    """Runs beside spoiled shards of all tasks, and what came of them."""

    def __init__(self, folder: Path, given: int, tasks: Sequence[Task] = TASKS, keep: Path | None = None) -> None:
        """Make the worlds."""
        self._given, self._keep = given, keep
        self._scenes = {task: Scene(folder / task, task) for task in tasks}
        self.n_files = 0
        self.escapes: list[str] = []
        self.verdicts: dict[str, int] = {}
        self.peak_over_honest = 0

    def run(self, n_files: int, until: float, at_once: int = 1) -> None:
        """Try this many files, or as many as there is time for until `time.monotonic()` is `until`."""

        def tried(batch: tuple[Task, range]) -> None:
            if time.monotonic() < until:
                self._try(*batch)

        with ThreadPoolExecutor(at_once) as threads:
            list(threads.map(tried, self._batches(n_files)))

    def _batches(self, n_files: int) -> Iterator[tuple[Task, range]]:
        tasks, per_task = list(self._scenes), -(-n_files // len(self._scenes))
        for start in range(0, per_task, TOGETHER):
            for task in tasks:
                yield task, range(start, min(start + TOGETHER, per_task))

    def _try(self, task: Task, numbers: range) -> None:
        scene, shards = self._scenes[task], dict(spoiled(task, number, self._given) for number in numbers)
        ended = scene.beside(shards)
        escapes = [f"{task}: {one}" for one in ended.escapes]
        if ended.escapes and len(shards) > 1:  # whose file it was shows when each stands there alone
            alone = {name: scene.beside({name: data}) for name, data in shards.items()}
            escapes = [f"{task} {name}: {one}" for name, end in alone.items() for one in end.escapes] or escapes
            self._kept({name: shards[name] for name, end in alone.items() if end.escapes} or shards, task)
        for one in escapes:
            print(one, flush=True)
        self.escapes += escapes
        self.n_files += len(shards)
        self.peak_over_honest = max(self.peak_over_honest, ended.peak_bytes - scene.peak_bytes)
        for verdict in ended.verdicts.values():
            self.verdicts[verdict] = self.verdicts.get(verdict, 0) + 1

    def _kept(self, shards: Mapping[str, bytes], task: Task) -> None:
        for name, data in shards.items() if self._keep is not None else ():
            (self._keep / task).mkdir(parents=True, exist_ok=True)
            (self._keep / task / f"{name}.parquet").write_bytes(data)

    def figures(self) -> list[Figure]:
        """What is stored."""
        rows = [
            ("mutated_files", self.n_files, ">= 2000", "files"),
            ("escapes", len(self.escapes), "0", "files"),
            *((f"{verdict}", n, "-", "contributors") for verdict, n in sorted(self.verdicts.items())),
            ("peak_over_honest", self.peak_over_honest / 2**20, "-", "MiB"),
        ]
        return [figure(f"mutated/{name}", n, target, unit, COMMAND) for name, n, target, unit in rows]


def main() -> None:
    """Spoil, run, count."""
    parser = told.parser("Mutated Parquet.", float("inf"))
    parser.add_argument("--files", type=int, default=2_000)
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--task", action="append", choices=TASKS)
    parser.add_argument("--keep", type=Path, help="where files that escape are kept")
    given = parser.parse_args()
    until = time.monotonic() + given.seconds
    with tempfile.TemporaryDirectory() as folder:
        harness = Harness(Path(folder), given.seed, given.task or TASKS, given.keep)
        harness.run(given.files, until, given.at_once)
    told.tell(harness.figures(), COMMAND, not given.no_figures)


if __name__ == "__main__":
    main()
