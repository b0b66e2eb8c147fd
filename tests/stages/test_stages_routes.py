"""Routes: one lookup, steps that wait only for steps, and no other place that asks which way of measuring it is."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.plain_stages import gate_here
from mixval.config.terms import STORES_ROWS
from mixval.errors import ConfigError
from mixval.progress import TARGET, watched_by
from mixval.stages.coalitions import CoalitionJob, quantity_ref
from mixval.stages.in_process import value_gated
from mixval.stages.pacing import row_passes
from mixval.stages.preparing import prepare_run
from mixval.stages.routes import ROUTES, route_of
from mixval.stages.steps import make_here, refs_of
from mixval.stages.terms import contributor_steps, terms_ref
from tests.worlds import planted

REPOSITORY = Path(__file__).parents[2]
SKETCHED = {"method": "sketched", "sketch_features": 64}
SCALED = {"preconditioner": "target"}


def test_no_other_place_asks_for_the_method() -> None:
    asked = re.compile(r"[!=]=\s*[\"']sketched[\"']")
    folders = ("mixval", "tasks", "flows", "deployments")
    files = [file for folder in folders for file in (REPOSITORY / folder).rglob("*.py")]
    found = {file.relative_to(REPOSITORY).as_posix() for file in files if asked.search(file.read_text(encoding="utf-8"))}
    assert len(files) > 100
    assert {name for name in found if not name.startswith("mixval/stages/routes/")} == set()


@pytest.mark.parametrize("ntk", [{"method": "exact"}, SKETCHED, {"method": "exact", **SCALED}, SKETCHED | SCALED])
@pytest.mark.parametrize("method", ["ntk-regression", "eq8"])
def test_steps_wait_for_those_above_and_make_what_is_counted(ntk: dict[str, object], method: str, tmp_path: Path) -> None:
    config = planted(tmp_path, "language-modelling").config(ntk=ntk, value={"method": method})
    run = gate_here(config)
    jobs, target = run.jobs, run.prepared.target_job
    route = route_of(config.ntk.method)
    shared = route.shared_steps(target)
    own = [contributor_steps(job, target, shared) for job in jobs.values()]
    made = {step.ref for step in shared}
    for steps in own:
        seen = set(made)
        for step in steps:
            assert {*refs_of(step.after)} <= seen, step.label
            seen.add(step.ref)
        assert {*refs_of(steps[-1].after)} == seen - {steps[-1].ref}
    counted = [ref for refs in route.passes(list(jobs.values()), target).values() for ref in refs]
    assert not any(target.store.committed(ref) for ref in counted)
    name = next(iter(jobs))
    planned, passed = row_passes(list(jobs.values()), target), Counter[str]()
    with watched_by(lambda of, n: passed.update({of: n})):
        for step in [*shared, *own[0]]:
            make_here(step)
    assert passed == {one: planned[one] for one in (TARGET, name)}
    assert target.store.committed(terms_ref(jobs[name], target)) is not None
    of_one = [ref for refs in route.passes([jobs[name]], target).values() for ref in refs]
    assert all(target.store.committed(ref) for ref in of_one)


def test_who_fails_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    """Of few rows so small a share draws less than the two that an unbiased MMD needs."""
    run = value_gated(gate_here(planted(tmp_path, "language-modelling").config(ntk=SKETCHED, sample={"fraction": 0.08})))
    failed = {name for name, one in run.outcomes.items() if one.verdict == "failed"}
    assert failed
    assert failed.isdisjoint(run.values)
    assert {*run.values} | failed == {"near", "mixed", "far"}
    assert all("expected at least" in run.outcomes[name].reason for name in failed)


def test_coalitions_of_what_does_not_add_up_are_refused(tmp_path: Path) -> None:
    config = planted(tmp_path, "language-modelling").config(ntk={"method": "exact"})
    prepared = prepare_run(config, 1, 2**33)
    work = CoalitionJob(jobs=[], target=prepared.target_job, coefficients=[], centres=[], n_left_out=0, coalitions=8)
    with pytest.raises(ConfigError, match=r"`ntk\.method: exact` has none"):
        quantity_ref(work, "shapley")


def test_the_configuration_has_for_every_route_whether_it_stores_rows() -> None:
    assert {name: route.coalitions is None for name, route in ROUTES.items()} == STORES_ROWS
