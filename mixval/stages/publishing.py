"""The publish stage: tables, report and manifest into a folder of the run, then the pointer, last."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from mixval.config.valuation import ValuationConfig
from mixval.contracts.outcomes import GateOutcome
from mixval.contracts.record import ArtifactRef
from mixval.contracts.results import COALITIONS, RANKING, REDUNDANCY, REJECTED, TERMS_TABLE
from mixval.contracts.run import RunSummary
from mixval.errors import ConfigError
from mixval.gate.docs import page_name, render_index
from mixval.publish.coalition_doubts import coalition_doubts, sketch_doubts
from mixval.publish.departures import departures
from mixval.publish.doubts import Doubt, find_doubts
from mixval.publish.manifest import Manifest, WeightsUsed, input_shards, package_versions, read_manifest, resolved_config
from mixval.publish.ranking import rejected_table
from mixval.publish.report.render import render_report
from mixval.publish.risk_doubts import risk_doubts
from mixval.stages.coalitions import Together
from mixval.stages.gating import read_docs_page, read_validations
from mixval.stages.preparing import PreparedRun
from mixval.stages.reducing import Reduced
from mixval.storage.layout import Layout
from mixval.storage.pointer import Latest, read_latest, swap_latest
from mixval.storage.root import Location, open_location
from mixval.storage.tables import read_table, write_table
from mixval.valuation.weights import STANDARDISED

UNIONS = ("coalitions", "redundancy")
"""Tables of a run that values unions."""
DOCS = "data-docs"
"""Folder of Great Expectations' pages below a run."""


@dataclass(frozen=True)
class RunAccount:
    """What a run has kept account of on its way."""

    started: datetime
    timings_seconds: dict[str, float]
    recomputed: dict[str, int]
    reused: dict[str, int]
    recomputed_contributors: list[str]
    artifacts: list[ArtifactRef]
    gate_refs: dict[str, ArtifactRef]


def standing_run(config: ValuationConfig, fingerprint: str) -> RunSummary | None:
    """The latest run, when it was made from the same configuration and inputs and nobody failed in it.

    A failure may have been the place's, not the data's, so it is tried again; what was measured is found as it is.
    """
    output = open_location(config.output, config.source.storage)
    latest = read_latest(output)
    if latest is None or latest.fingerprint != fingerprint:
        return None
    folder = Layout(output).run(latest.run_id)
    if not folder.child("manifest.json").exists():
        return None
    manifest = read_manifest(folder.child("manifest.json").read_bytes().decode(), folder.url)
    summary = _summary(manifest, folder)
    if summary.n_failed:
        return None
    return summary.model_copy(update={"standing": True, "recomputed": {}, "recomputed_contributors": []})


def publish(
    config: ValuationConfig,
    prepared: PreparedRun,
    outcomes: list[GateOutcome],
    reduced: Reduced,
    account: RunAccount,
    expected: Latest | None,
    together: Together | str | None = None,
) -> RunSummary:
    """Write the run's folder, then swap `latest.json` from `expected`. Raises `ConflictError` when somebody else did.

    `together` holds the values of unions, or why there are none although they were asked for.
    """
    output = open_location(config.output, config.source.storage)
    run_id = f"{account.started.strftime('%Y%m%dT%H%M%SZ')}-{prepared.fingerprint[:8]}"
    folder = Layout(output).run(run_id)
    outcomes = _linked_to_docs(config, outcomes, account.gate_refs)
    made = _manifest(config, prepared, outcomes, reduced, account, run_id, together)
    manifest = read_manifest(made.to_json(), folder.url)  # as it is stored, so that a rebuilt report is the same report
    rejected = rejected_table(outcomes)
    _write_gate_results(config, folder, account.gate_refs)
    for name, table, schema in (
        ("ranking", reduced.ranking, RANKING),
        ("terms", reduced.terms, TERMS_TABLE),
        ("rejected", rejected, REJECTED),
    ):
        write_table(folder.child(f"{name}.parquet"), table, schema)
    of_unions = (together.coalitions, together.redundancy) if isinstance(together, Together) else (None, None)
    for name, values, schema in zip(UNIONS, of_unions, (COALITIONS, REDUNDANCY), strict=True):
        if values is not None:
            write_table(folder.child(f"{name}.parquet"), values, schema)
    page = render_report(reduced.ranking, reduced.terms, rejected, outcomes, manifest, manifest.doubts, *of_unions)
    folder.child("report.html").write_bytes(page.encode())
    folder.child("manifest.json").write_bytes(manifest.to_json().encode())
    swap_latest(output, run_id, prepared.fingerprint, expected)
    return _summary(manifest, folder).model_copy(update={"recomputed_contributors": account.recomputed_contributors})


@dataclass(frozen=True)
class StoredRun:
    """A published run, read back."""

    folder: Location
    manifest: Manifest
    ranking: pa.Table
    terms: pa.Table
    rejected: pa.Table
    coalitions: pa.Table | None
    """None for a run without values of unions."""
    redundancy: pa.Table | None


def open_run(url: str) -> StoredRun:
    """The run in a folder, or the latest one below an output root."""
    folder = open_location(url)
    if not folder.child("manifest.json").exists():
        latest = read_latest(folder)
        if latest is None:
            raise ConfigError(f"{url}: expected a run's folder or an output root with latest.json, found neither.")
        folder = Layout(folder).run(latest.run_id)
    manifest = read_manifest(folder.child("manifest.json").read_bytes().decode(), folder.url)
    tables = [
        read_table(folder.child(f"{name}.parquet"), schema)
        for name, schema in (("ranking", RANKING), ("terms", TERMS_TABLE), ("rejected", REJECTED))
    ]
    unions = [
        read_table(file, schema) if (file := folder.child(f"{name}.parquet")).exists() else None
        for name, schema in zip(UNIONS, (COALITIONS, REDUNDANCY), strict=True)
    ]
    return StoredRun(folder, manifest, *tables, *unions)


def rebuild_report(run: StoredRun) -> Location:
    """Write `report.html` of a stored run again, from its tables and manifest."""
    page = render_report(
        run.ranking,
        run.terms,
        run.rejected,
        run.manifest.outcomes,
        run.manifest,
        run.manifest.doubts,
        run.coalitions,
        run.redundancy,
    )
    report = run.folder.child("report.html")
    report.write_bytes(page.encode())
    return report


def _manifest(
    config: ValuationConfig,
    prepared: PreparedRun,
    outcomes: list[GateOutcome],
    reduced: Reduced,
    account: RunAccount,
    run_id: str,
    together: Together | str | None,
) -> Manifest:
    weights = reduced.weights.as_dict()
    n_classes = len(prepared.classes) if prepared.classes else None
    dropped = [
        term
        for term, informative in zip(weights, reduced.estimates.informative(), strict=True)
        if reduced.weights.rule in STANDARDISED and not informative and weights[term] == 0
    ]
    return Manifest(
        run_id=run_id,
        fingerprint=prepared.fingerprint,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=package_versions(),
        config=resolved_config(config),
        inputs={one.name: input_shards(one) for one in prepared.plan.contributors},
        target=input_shards(prepared.plan.target),
        outcomes=outcomes,
        seeds={"run": config.seed},
        timings_seconds=account.timings_seconds,
        recomputed=account.recomputed,
        reused=account.reused,
        weights=WeightsUsed(rule=reduced.weights.rule, values=weights, provenance=reduced.weights.provenance, dropped=dropped),
        departures=departures(config),
        doubts=[
            *find_doubts(reduced.ranking, reduced.terms, outcomes, n_classes),
            *risk_doubts(reduced.ranking, reduced.terms, n_classes),
            *_union_doubts(reduced.ranking, together),
        ],
        coalitions=together.account if isinstance(together, Together) else None,
        artifacts=account.artifacts,
    )


def _union_doubts(ranking: pa.Table, together: Together | str | None) -> list[Doubt]:
    if isinstance(together, Together):
        doubts = coalition_doubts(ranking, together.coalitions, together.redundancy)
        return [*sketch_doubts(together.account), *doubts]
    return [] if together is None else [Doubt(kind="unions-failed", words=f"Unions could not be valued. {together}")]


def _linked_to_docs(config: ValuationConfig, outcomes: list[GateOutcome], checked: dict[str, ArtifactRef]) -> list[GateOutcome]:
    """The outcomes with their page below the run's folder; a relative path, so that the folder can be moved."""
    if not config.gate.data_docs:
        return outcomes
    pages = {name: f"{DOCS}/{page_name(name)}" for name in checked}
    return [outcome.model_copy(update={"data_docs": pages.get(outcome.contributor)}) for outcome in outcomes]


def _write_gate_results(config: ValuationConfig, folder: Location, refs: dict[str, ArtifactRef]) -> None:
    """Great Expectations' results as JSON and as Data Docs."""
    validations = {name: read_validations(config, ref) for name, ref in sorted(refs.items())}
    if config.gate.data_docs:
        folder.child(DOCS, "index.html").write_bytes(render_index(validations))
        for name, ref in refs.items():
            folder.child(DOCS, *page_name(name).split("/")).write_bytes(read_docs_page(config, ref))
    folder.child("gate.json").write_bytes(json.dumps(validations, indent=1, sort_keys=True).encode())


def _summary(manifest: Manifest, folder: Location) -> RunSummary:
    verdicts = [outcome.verdict for outcome in manifest.outcomes]
    return RunSummary(
        run_id=manifest.run_id,
        url=folder.url,
        fingerprint=manifest.fingerprint,
        n_planned=len(verdicts),
        n_ranked=sum(verdict in ("admitted", "trimmed") for verdict in verdicts),
        n_rejected=verdicts.count("rejected"),
        n_failed=verdicts.count("failed"),
        recomputed=manifest.recomputed,
        reused=manifest.reused,
        timings_seconds=manifest.timings_seconds,
        doubts=[doubt.words for doubt in manifest.doubts],
    )
