"""What a run of the gate publishes: a folder of its own with the report, unless nothing was decided."""

from __future__ import annotations

from datetime import UTC, datetime

from mixval.config.fingerprint import fingerprint
from mixval.config.ingestion import IngestionConfig
from mixval.contracts.gate_run import GateRunSummary
from mixval.contracts.schemas import SCHEMAS, versions_of
from mixval.errors import MixvalError, reason_of
from mixval.lake.decision_table import decision_table, record_decisions
from mixval.progress import current
from mixval.publish.gate_facts import gate_facts
from mixval.publish.gate_page.words import headline
from mixval.publish.gate_run import GateManifest, GateResults
from mixval.publish.publication import publish_run, run_name
from mixval.publish.run_manifest import package_versions, resolved_config
from mixval.publish.writers.gate_run import WRITERS
from mixval.stages.ingesting import GateRun
from mixval.stages.ledger_view import policy_digest
from mixval.stages.publishing import gate_results
from mixval.storage.layout import Layout
from mixval.storage.pointer import standing_latest
from mixval.storage.root import open_location
from mixval.telemetry import observing

VERSION = 2
"""Raised whenever a run is published otherwise."""


def publish_gate(run: GateRun) -> GateRunSummary:
    """The summary of a run. Published, and named by `latest.json`, where it decided or appended anything, or found
    another thing than the last one that it could not decide."""
    root = open_location(run.config.state, run.config.storage)
    expected = standing_latest(root)
    summary = _summary(run)
    summary = summary.model_copy(update={"findings": [*summary.findings, *_tabled(run)]})
    _tell(run, summary)
    name = fingerprint(
        "gate-run",
        VERSION,
        published=versions_of("mixval gate"),
        decisions=[[one.decision.digest, one.decision.attempt] for one in summary.deliveries],
        failed=summary.failed,
        table=summary.version,
    )
    is_said = not run.failed or (expected is not None and expected.fingerprint == name)
    if not run.has_news and is_said:
        url = root.url if expected is None else Layout(root).run(expected.run_id).url
        return summary.model_copy(update={"url": url})
    current().begin("publish", 1)
    run_id = run_name(run.account.started, name)
    folder = Layout(root).run(run_id)
    summary = summary.model_copy(update={"run_id": run_id, "url": folder.url})
    publish_run(root, _results(run, _manifest(run.config, summary, name)), WRITERS, expected)
    _tell(run, summary)
    current().end("publish", "")
    return summary


def _tell(run: GateRun, summary: GateRunSummary) -> None:
    inbox = open_location(run.config.inbox, run.config.storage).url
    observing.tell(lambda: gate_facts(summary, inbox, run.changed, datetime.now(UTC)))


def _results(run: GateRun, manifest: GateManifest) -> GateResults:
    if run.valued is None:
        return GateResults(manifest)
    checks = gate_results(run.valued.config, run.valued.checks)
    return GateResults(manifest, checks, {one.pinned.digest: one.label for one in run.valued.deliveries})


def _tabled(run: GateRun) -> list[str]:
    """Bring the table of decisions up to the ledger. Where that fails it is said, and nothing else: the ledger has them."""
    try:
        if run.outcomes:
            record_decisions(run.ledger, decision_table(run.config))
    except MixvalError as error:
        return [f"The table of decisions was not brought up to date, and will be by the next run: {reason_of(error)}"]
    return []


def _summary(run: GateRun) -> GateRunSummary:
    outcomes, shadow = list(run.outcomes.values()), run.config.policy.shadow
    return GateRunSummary(
        headline=headline(outcomes, len(run.failed), run.n_appended, shadow),
        run_id=None,
        url="",
        table=run.table.url,
        version=run.table.version(),
        n_appended=run.n_appended,
        shadow=shadow,
        deliveries=outcomes,
        failed=run.failed,
        ignored=run.ignored,
        findings=[*run.findings, *_nothing_there(run)],
        timings_seconds=dict(run.account.timings_seconds),
    )


def _nothing_there(run: GateRun) -> list[str]:
    """Where no name at all lies in an inbox of a store without folders, it may be misspelt."""
    inbox = open_location(run.config.inbox, run.config.storage)
    if run.outcomes or run.failed or run.ignored or inbox.local_path() is not None:
        return []
    return [f"No object lies below {inbox.url}/. A store has no folders: a misspelt URL looks the same. Check it."]


def _manifest(config: IngestionConfig, summary: GateRunSummary, name: str) -> GateManifest:
    return GateManifest(
        schema_version=SCHEMAS["gate-manifest"].version,
        run_id=str(summary.run_id),
        fingerprint=name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=package_versions(),
        config=resolved_config(config),
        policy=policy_digest(config),
        summary=summary,
    )
