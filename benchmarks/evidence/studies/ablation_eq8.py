"""Eq. 8 taken apart: each term removed, each term alone, and each switch of the configuration flipped by itself.

A variant is a configuration laid over the base's and goes through the library's stages, gate to values. They share one store,
where a forward pass or a Gram matrix that two configurations agree on is computed once. Without replicates: a discrepancy or
an NTK term then has no standard error and is never dropped for one.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.evidence.studies.results import Candidate
from benchmarks.evidence.worlds.world_folder import WorldFolder
from mixval.config.load import parse_config
from mixval.config.tasks import CAUSAL, EVERY_TASK, IMAGES, TASKS, Task
from mixval.config.valuation import ValuationConfig, merge
from mixval.contracts.outcomes import GateOutcome
from mixval.contracts.terms import TERMS
from mixval.errors import ConfigError, MixvalError
from mixval.evidence.results import SkippedMethod
from mixval.stages import gating
from mixval.stages.in_process import measure_here, prepare_here
from mixval.stages.jobs import target_job
from mixval.stages.preparing import PreparedRun
from mixval.stages.reducing import Reduced, reduce_terms
from mixval.stages.runs import admitted_jobs
from mixval.stages.terms import terms_ref
from mixval.valuation.estimates import TermEstimates
from mixval.valuation.score import value
from mixval.valuation.weights import weigh

METHOD = "eq8-equal-z"
CLASSIFICATION: tuple[Task, ...] = tuple(task for task in EVERY_TASK if TASKS[task].has_labels)
Scores = dict[str, float]


@dataclass(frozen=True)
class Switch:
    """One switch off its default, and where it can be."""

    settings: dict[str, Any]
    tasks: tuple[Task, ...] = EVERY_TASK

    @property
    def name(self) -> str:
        """As the configuration writes it: `ntk.output: margin`."""
        return ", ".join(f"{path}: {setting}" for path, setting in flat(self.settings))

    @property
    def group(self) -> str:
        """The configuration's first key."""
        return next(iter(self.settings))


def flat(settings: dict[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Dotted paths and what stands there."""
    for key, held in settings.items():
        path = f"{above}.{key}" if above else key
        if isinstance(held, dict):
            yield from flat(held, path)
        else:
            yield path, f"[{', '.join(map(str, held))}]" if isinstance(held, list) else f"{held}"


def _of(room: str, **settings: Any) -> Switch:
    return Switch({room: settings})


EQ_8 = {"value": {"method": "eq8"}, "ntk": {"method": "exact", "output": "logit", "residual": "one-minus-output"}}
"""What is varied; a world that was laid out for the regression value has the mix's kernel written out."""
SWITCHES: tuple[Switch, ...] = (
    Switch({"loss": {"average": "token"}}, CAUSAL),
    _of("discrepancy", estimator="biased"),
    _of("discrepancy", scale="squared"),
    _of("discrepancy", parts="pooled"),
    Switch({"discrepancy": {"features": "pixels"}}, IMAGES),
    Switch({"discrepancy": {"features": "backbone-and-answer"}}, ("instruction",)),
    Switch({"discrepancy": {"labels": 1.0}}, CLASSIFICATION),
    _of("discrepancy", multipliers=[1.0]),
    _of("discrepancy", method="random-features"),
    _of("ntk", output="margin"),
    _of("ntk", output="log-probability"),
    _of("ntk", residual="one-minus-probability"),
    _of("ntk", output="log-probability", residual="one-minus-probability"),
    _of("ntk", parameters=["linear", "conv", "norm", "bias"]),
    Switch({"ntk": {"parameters": ["linear"]}}, IMAGES),
    *(_of("ntk", damping=damping) for damping in (1e-4, 1e-3, 0.1, 1.0)),
    _of("ntk", damping=1e-4, damping_mode="absolute"),
    _of("ntk", n_blocks=100),
    _of("ntk", method="sketched"),
    _of("ntk", sample={"count": 100}),
    *(_of("value", weights=rule) for rule in ("scale-matched", "published", "shipped", "davinz")),
    _of("value", uninformative="keep"),
    *(Switch({"backbone": {"random_init": {"seed": seed}}}, IMAGES) for seed in (1, 2)),
    Switch({"preset": "davinz"}, IMAGES),
)


class Valuations:
    """Values of a world's contributors under any configuration; `scratch` keeps what is computed."""

    def __init__(self, world: WorldFolder, scratch: Path, settings: dict[str, Any]) -> None:
        """`settings` are laid over the world's configuration and are part of every variant."""
        own = {"output": str(scratch), "value": {"replicates": 0, "coalitions": 0}}
        given = merge(merge(world.config.model_dump(mode="json", exclude_unset=True), EQ_8), own)
        self._base = merge(given, settings)
        self._prepared: dict[str, tuple[PreparedRun, dict[str, GateOutcome]]] = {}

    def reduced(self, settings: dict[str, Any]) -> tuple[ValuationConfig, Reduced]:
        """Terms and values under `settings`. Raises MixvalError where they cannot be had."""
        config = parse_config(merge(self._base, settings))
        prepared, outcomes = self._prepare(config)
        target = target_job(config, prepared.target_job.contributor, prepared.identity, prepared.classes)
        jobs = admitted_jobs(config, prepared, outcomes)
        if failed := measure_here(list(jobs.values()), target):
            raise ConfigError("; ".join(f"{name}: {reason}" for name, reason in failed.items()))
        terms = {name: terms_ref(job, target) for name, job in jobs.items()}
        return config, reduce_terms(config, terms, outcomes, prepared.identity, prepared.classes)

    def _prepare(self, config: ValuationConfig) -> tuple[PreparedRun, dict[str, GateOutcome]]:
        """Plan and gate, once a backbone."""
        key = config.backbone.model_dump_json()
        if key not in self._prepared:
            prepared = prepare_here(config)
            checks = [gating.gate_contributor(config, one, prepared.target) for one in prepared.plan.contributors]
            outcomes = [gating.read_outcome(config, ref) for ref in checks]
            self._prepared[key] = prepared, {one.contributor: one for one in outcomes}
        return self._prepared[key]


def eq8_variants(
    world: WorldFolder, scratch: Path, settings: dict[str, Any]
) -> tuple[Scores, list[Candidate], list[SkippedMethod]]:
    """The base's scores, those of every variant, and which variants could not be had."""
    valuations = Valuations(world, scratch, settings)
    config, base = valuations.reduced({})
    candidates = term_variants(base.estimates, config.value.rule)
    skipped: list[SkippedMethod] = []
    for switch in SWITCHES:
        if world.config.task not in switch.tasks:
            continue
        print(f"{world.name}: {switch.name}", file=sys.stderr)
        try:
            found = valuations.reduced(switch.settings)[1]
        except MixvalError as error:
            skipped.append(SkippedMethod(method=switch.name, reason=str(error)))
            continue
        scores = _named(found.estimates, found.valuation.values)
        candidates.append(Candidate(name=switch.name, group=switch.group, settings=switch.settings, scores=scores))
    return _named(base.estimates, base.valuation.values), candidates, skipped


def term_variants(estimates: TermEstimates, rule: str = "equal-z") -> list[Candidate]:
    """Rankings without each term, and by each term alone. A term that is left out is 0 for all contributors."""
    found: list[Candidate] = []
    for at, term in enumerate(TERMS):
        kept = np.arange(len(TERMS)) != at
        left = dataclasses.replace(
            estimates,
            terms=np.where(kept, estimates.terms, 0.0),
            standard_errors=np.where(kept, estimates.standard_errors, 0.0),
            deviations=None,
        )
        scores = _named(estimates, value(left, weigh(left, rule)).values)
        found.append(Candidate(name=f"without {term}", group="terms", scores=scores))
    for at, term in enumerate(TERMS):
        found.append(Candidate(name=f"{term} alone", group="terms", scores=_named(estimates, -estimates.terms[:, at])))
    return found


def _named(estimates: TermEstimates, values: np.ndarray) -> Scores:
    return {name: float(one) for name, one in zip(estimates.contributors, values, strict=True)}
