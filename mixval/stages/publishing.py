"""The publish stage: what a valuation publishes, and whether its latest run is still up to date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from mixval.config.valuation import ValuationConfig
from mixval.contracts.outcomes import GateOutcome
from mixval.contracts.record import ArtifactRef
from mixval.contracts.run import ContributorSummary, RunSummary
from mixval.contracts.warnings import RunWarning, by_severity, warning
from mixval.errors import ContractError, DamagedRunError, SchemaVersionError
from mixval.gate.docs import page_name
from mixval.publish.coalition_warnings import coalition_warnings, sketch_warnings
from mixval.publish.group_values import ungrouped_columns
from mixval.publish.manifest import Manifest, WeightsUsed, input_shards, read_manifest
from mixval.publish.names import listed
from mixval.publish.paper_deviations import paper_deviations
from mixval.publish.publication import damaged_files, finish_run, run_name, write_files
from mixval.publish.ranking import rejected_table, value_decimals
from mixval.publish.regression_warnings import regression_warnings
from mixval.publish.results import GateResults, PublishedValuation
from mixval.publish.run_manifest import MANIFEST, package_versions, resolved_config
from mixval.publish.run_warnings import find_warnings, unread_warnings
from mixval.publish.stored_run import open_run_at
from mixval.publish.valuation_facts import valuation_facts
from mixval.publish.verdict_words import buyer_sentences, headline, is_ordered, verdicts_in_words
from mixval.publish.writers.gate_results import DOCS
from mixval.publish.writers.installed import write_by_installed
from mixval.publish.writers.valuation import WRITERS
from mixval.stages.coalition_value import KIND as UNIONS
from mixval.stages.coalitions import CoalitionResults
from mixval.stages.gating import read_docs_page, read_validations
from mixval.stages.mixture_tables import MixtureResults
from mixval.stages.preparing import PreparedRun
from mixval.stages.reducing import Reduced
from mixval.stages.result_tables import append_results
from mixval.stages.routes import route_of
from mixval.storage.commit import ArtifactStore
from mixval.storage.damage import take_damage, tell_damage
from mixval.storage.layout import Layout
from mixval.storage.pointer import Latest, standing_latest
from mixval.storage.root import Location, open_location
from mixval.telemetry import observing
from mixval.valuation.weights import STANDARDISED


@dataclass(frozen=True)
class RunAccount:
    """What a run records besides its results."""

    started: datetime
    timings_seconds: dict[str, float]
    recomputed: dict[str, int]
    reused: dict[str, int]
    recomputed_contributors: list[str]
    artifacts: list[ArtifactRef]
    gate_refs: dict[str, ArtifactRef]


def up_to_date_run(config: ValuationConfig, fingerprint: str) -> RunSummary | None:
    """The latest run, when it was made from the same configuration and inputs, nobody failed in it, and its files are whole.
    So must be what says which sums its unions have: it goes where one of those was lost.

    A failure may have been the machine's, not the data's, so it is tried again; artifacts that were measured are reused. What
    is damaged, of its files, its manifest or the pointer, is told, and the run is published again.
    """
    output = open_location(config.output, config.source.storage)
    latest = standing_latest(output)
    if latest is None or latest.fingerprint != fingerprint:
        return None
    folder = Layout(output).run(latest.run_id)
    if not folder.child(MANIFEST).exists():
        return None
    try:
        stored = open_run_at(folder)
        if damaged := damaged_files(folder, stored.manifest):
            raise DamagedRunError(f"{folder.url}: expected the files of the run, found {', '.join(damaged)} damaged or missing")
        if (stored.manifest.run_id, stored.manifest.fingerprint) != (latest.run_id, fingerprint):
            raise DamagedRunError(f"{folder.url}: expected the manifest of {latest.run_id}, found {stored.manifest.run_id}'s")
    except SchemaVersionError:  # published by another mixval: published again, from the same artifacts
        return None
    except ContractError as error:
        tell_damage(folder.url, f"{' '.join(str(error).split())}. Published again")
        return None
    summary = run_summary(stored.manifest, stored.ranking, folder)
    unions = [ref.model_copy(update={"root": output.url}) for ref in stored.manifest.artifacts if ref.kind == UNIONS]
    if summary.n_failed or any(ArtifactStore(output).committed(ref) is None for ref in unions):
        return None
    behind = append_results(config, stored.manifest, stored.ranking, stored.terms)
    observing.tell(lambda: valuation_facts(stored.manifest, stored.ranking, folder, is_new=False))
    told = {"recomputed": {}, "recomputed_contributors": [], "warnings": by_severity([*summary.warnings, *behind])}
    return summary.model_copy(update={"up_to_date": True, **told})


def publish(
    config: ValuationConfig,
    prepared: PreparedRun,
    outcomes: list[GateOutcome],
    reduced: Reduced,
    account: RunAccount,
    expected: Latest | None,
    coalition_results: CoalitionResults | str | None = None,
    mixture_results: MixtureResults | str | None = None,
    groups: pa.Table | str | None = None,
    corpora: pa.Table | str | None = None,
    truncation: pa.Table | str | None = None,
) -> RunSummary:
    """Write the run's folder, then swap `latest.json` from `expected`. Raises `ConflictError` when another run did.

    `coalition_results` holds the values of coalitions, or why there are none although they were asked for; `mixture_results`
    those of parts and mixtures, `groups` those of groups, schema `GROUPS`, `corpora` what is said of tokens, schema `CORPORA`,
    `truncation` of where synthetic rows stop, schema `TRUNCATION`.
    """
    run_id = run_name(account.started, prepared.fingerprint)
    outcomes = _linked_to_docs(config, outcomes, account.gate_refs)
    more = [
        *_coalition_warnings(reduced.ranking, coalition_results),
        *_failed("mixtures-failed", "Parts and mixtures of them could not be valued.", mixture_results),
        *_group_warnings(groups),
        *_failed("corpus-failed", "Contributors' tokens could not be compared with the target's.", corpora),
        *_failed("truncation-failed", "Where synthetic rows stop could not be looked at.", truncation),
    ]
    unions = coalition_results if isinstance(coalition_results, CoalitionResults) else None
    made = _manifest(config, prepared, outcomes, reduced, account, run_id, unions, more)
    mixed = mixture_results if isinstance(mixture_results, MixtureResults) else None
    results = PublishedValuation(
        manifest=read_manifest(made.to_json(), run_id),  # as stored, so that a rebuilt report is the same report
        ranking=reduced.ranking,
        terms=reduced.terms,
        rejected=rejected_table(outcomes),
        coalitions=None if unions is None else unions.coalitions,
        redundancy=None if unions is None else unions.redundancy,
        parts=None if mixed is None else mixed.parts,
        mixture=None if mixed is None else mixed.mixture,
        mixture_best=None if mixed is None else mixed.mixture_best,
        groups=groups if isinstance(groups, pa.Table) else None,
        corpora=corpora if isinstance(corpora, pa.Table) else None,
        truncation=truncation if isinstance(truncation, pa.Table) else None,
        gate=gate_results(config, account.gate_refs),
    )
    root = open_location(config.output, config.source.storage)
    results = write_by_installed(write_files(root, results, WRITERS), results)
    folder = finish_run(root, results.manifest, expected)
    summary = run_summary(results.manifest, results.ranking, folder)
    behind = append_results(config, results.manifest, results.ranking, results.terms)
    observing.tell(lambda: valuation_facts(results.manifest, results.ranking, folder, is_new=True))
    warnings = by_severity([*summary.warnings, *behind])
    return summary.model_copy(update={"recomputed_contributors": account.recomputed_contributors, "warnings": warnings})


def _manifest(
    config: ValuationConfig,
    prepared: PreparedRun,
    outcomes: list[GateOutcome],
    reduced: Reduced,
    account: RunAccount,
    run_id: str,
    unions: CoalitionResults | None,
    more_warnings: Sequence[RunWarning],
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
        paper_deviations=paper_deviations(config, route_of(config.ntk.method).paper_deviations(config)),
        warnings=by_severity(
            [
                *prepared.warnings,
                *find_warnings(reduced.ranking, reduced.terms, outcomes, n_classes),
                *unread_warnings(config.reads_answers, reduced.ranking["contributor"].to_pylist()),
                *regression_warnings(reduced.ranking, reduced.terms),
                *more_warnings,
                *_damage_warnings(config),
            ]
        ),
        coalitions=None if unions is None else unions.account,
        artifacts=account.artifacts,
    )


def _damage_warnings(config: ValuationConfig) -> list[RunWarning]:
    found = take_damage(open_location(config.output, config.source.storage).url)
    if not found:
        return []
    more = f", and {len(found) - 3:,} more" if len(found) > 3 else ""
    words = f"{len(found):,} damaged file(s) were found below the output, and made again: {'; '.join(found[:3])}{more}."
    return [warning("made-again", f"{words} The ranking is made from whole ones. Check the disk or the store.")]


def _coalition_warnings(ranking: pa.Table, coalition_results: CoalitionResults | str | None) -> list[RunWarning]:
    if isinstance(coalition_results, CoalitionResults):
        warnings = coalition_warnings(ranking, coalition_results.coalitions, coalition_results.redundancy)
        return [*sketch_warnings(coalition_results.account), *warnings]
    return (
        []
        if coalition_results is None
        else [warning("coalitions-failed", f"Coalitions could not be valued. {coalition_results}")]
    )


def _failed(kind: str, words: str, found: object) -> list[RunWarning]:
    """A warning where what was found is the reason why it failed."""
    return [warning(kind, f"{words} {found}")] if isinstance(found, str) else []


def _group_warnings(groups: pa.Table | str | None) -> list[RunWarning]:
    if isinstance(groups, str):
        return [warning("groups-failed", f"Groups of rows could not be valued. {groups}")]
    unknown = [] if groups is None else ungrouped_columns(groups)
    if not unknown:
        return []
    words = f"No contributor's rows have a value in {listed(unknown)} of `value.groups`. Name columns that the data has."
    return [warning("groups-unknown", words)]


def _linked_to_docs(config: ValuationConfig, outcomes: list[GateOutcome], checked: dict[str, ArtifactRef]) -> list[GateOutcome]:
    """The outcomes with their page below the run's folder; a relative path, so that the folder can be moved."""
    if not config.gate.data_docs:
        return outcomes
    pages = {name: f"{DOCS}/{page_name(name)}" for name in checked}
    return [outcome.model_copy(update={"data_docs": pages.get(outcome.contributor)}) for outcome in outcomes]


def gate_results(config: ValuationConfig, refs: dict[str, ArtifactRef]) -> GateResults:
    """What the gate found in each of these, by name, and how its pages are read."""
    validations = {name: read_validations(config, ref) for name, ref in sorted(refs.items())}
    return GateResults(validations, (lambda name: read_docs_page(config, refs[name])) if config.gate.data_docs else None)


def run_summary(manifest: Manifest, ranking: pa.Table, folder: Location) -> RunSummary:
    """What `mixval value --json` prints of a published run, and its flow returns."""
    decimals = value_decimals(ranking)
    copied = [name for name in ranking.column_names if name in ContributorSummary.model_fields]
    verdicts = [outcome.verdict for outcome in manifest.outcomes]
    return RunSummary(
        headline=headline(ranking).plain(),
        verdicts=verdicts_in_words(ranking).plain(),
        is_ordered=is_ordered(ranking),
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
        warnings=manifest.warnings,
        contributors=[
            ContributorSummary(**{name: row[name] for name in copied}, sentence=sentence)
            for row, sentence in zip(ranking.to_pylist(), buyer_sentences(ranking, decimals), strict=True)
        ],
    )
