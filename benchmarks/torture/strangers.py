"""Hostile folders beside honest ones: names, links, pipes, depths and sizes of `hostile.py`, in a whole run of `mixval value`.

    python -m benchmarks.torture.strangers [--seconds 300]

Each must end as it is said there, for the reason that is said there; the honest contributors' rows of the ranking must be those
of a run without strangers, the exit code 0, and no process may be left. The figures `strangers/...` go to
`benchmarks/results/torture.json`.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks.figures import figure
from benchmarks.torture import told
from benchmarks.torture.hostile import HOSTILE, Hostile, lay_out_hostile
from benchmarks.torture.processes import gone
from benchmarks.torture.runs import Run, ranked, run_to_its_end, whole_run
from benchmarks.torture.signals import RUN_LIMIT_SECONDS, STOP_SECONDS
from benchmarks.torture.world import lay_out
from mixval.contracts.outcomes import GateOutcome
from mixval.errors import MixvalError

COMMAND = "python -m benchmarks.torture.strangers"


def wrong(strangers: list[Hostile], outcomes: dict[str, GateOutcome]) -> list[str]:
    """Who did not end as it must, in words."""
    found = []
    for one in strangers:
        outcome = outcomes.get(one.name)
        if outcome is None or outcome.verdict != one.state or one.words not in (outcome.reason or ""):
            came = "nothing" if outcome is None else f"{outcome.verdict}: {outcome.reason}"
            found.append(f"{one.name!a}: expected {one.state} for '{one.words}', found {came}")
    return found


def main() -> None:
    """Run without strangers, and with them."""
    given = told.parser("Hostile folders.", 300.0).parse_args()
    until = time.monotonic() + given.seconds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lay_out(folder / "world")
        code, _ = run_to_its_end(folder / "world", folder / "whole", RUN_LIMIT_SECONDS)
        expected = ranked(whole_run(folder / "whole"))
        strangers = lay_out_hostile(folder / "world")
        counts = dict.fromkeys(("hostile", "wrong", "values_lost", "hung", "orphans", "exit_codes_wrong"), 0)
        while not counts["hostile"] or time.monotonic() < until:
            output = folder / f"out-{counts['hostile']}"
            run = Run.begin(folder / "world", output, **HOSTILE)
            code = run.ended(RUN_LIMIT_SECONDS)
            _, left = gone(run.mark, STOP_SECONDS)
            counts["hostile"] += len(strangers)
            counts["hung"] += code is None
            counts["orphans"] += 0 if code is None else len(left)
            counts["exit_codes_wrong"] += code not in (0, None)
            try:
                published = whole_run(output)
            except MixvalError as error:
                print(f"exit {code}: {error}", *run.said[-20:], sep="\n", flush=True)
                counts["wrong"], counts["values_lost"] = counts["wrong"] + len(strangers), counts["values_lost"] + len(expected)
                continue
            bad = wrong(strangers, {one.contributor: one for one in published.manifest.outcomes})
            print(*bad, sep="\n", flush=True)
            counts["wrong"] += len(bad)
            counts["values_lost"] += sum(ranked(published).get(name) != row for name, row in expected.items())
    figures = [figure(f"strangers/{k}", n, "-" if k == "hostile" else "0", "", COMMAND) for k, n in counts.items()]
    told.tell(figures, COMMAND, not given.no_figures)


if __name__ == "__main__":
    main()
