"""Publication of a synthesis: tables and manifest in a run's folder, and the pointer to the latest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from pydantic import Field

from mixval.config.base import FrozenModel
from mixval.config.fingerprint import fingerprint
from mixval.config.synthesis import SynthesisConfig
from mixval.contracts.plan import content_digest
from mixval.contracts.schemas import SCHEMAS, versions_of
from mixval.errors import GeneratorError, NobodyAdmittedError
from mixval.progress import current
from mixval.publish.publication import finish_run, run_name, whole_manifest
from mixval.publish.run_manifest import RunManifest, package_versions, resolved_config
from mixval.storage.layout import Layout
from mixval.storage.pointer import Latest, standing_latest
from mixval.storage.root import Location
from mixval.synthesis.outcomes import Counts, write_outcomes
from mixval.synthesis.running import Asked, Synthesis
from mixval.synthesis.tables import DROPPED, FAILED, ROWS

VERSION = 1
"""Raised whenever the same answers would be published otherwise."""
REASONS_SHOWN = 5


class SynthesisSummary(FrozenModel):
    """What a run did, and where it lies."""

    run_id: str
    url: str
    """The run's folder."""
    recipe: str
    generator: str
    revision: str
    n_documents: int
    n_planned: int
    """Rows that were planned: kept, dropped and failed ones together."""
    n_kept: int
    n_dropped: int
    n_failed: int
    dropped: dict[str, int] = Field(default_factory=dict)
    """Reason -> rows."""
    failed: dict[str, int] = Field(default_factory=dict)
    """The most frequent reasons, in words -> rows."""
    n_asked: int = 0
    """Requests of this run."""
    n_reused: int = 0
    """Requests that the journal had answers for."""
    prompt_tokens: int = 0
    """Of this run's requests."""
    completion_tokens: int = 0
    seconds: float = 0.0

    @property
    def headline(self) -> str:
        """What became of the planned rows, as a sentence."""
        return (
            f"{self.n_planned:,} rows planned from {self.n_documents:,} documents: {self.n_kept:,} kept, {self.n_dropped:,} "
            f"dropped, {self.n_failed:,} failed."
        )

    @property
    def rows_url(self) -> str:
        """Folder of the kept rows, which is a contributor."""
        return f"{self.url}/{ROWS}"

    @property
    def dropped_url(self) -> str:
        """Folder of the dropped rows."""
        return f"{self.url}/{DROPPED}"

    @property
    def failed_url(self) -> str:
        """Folder of the failed rows."""
        return f"{self.url}/{FAILED}"

    @property
    def exit_code(self) -> int:
        """Of the command: not 0 where there is no row to use."""
        if self.n_kept:
            return 0
        return GeneratorError.exit_code if self.n_failed == self.n_planned else NobodyAdmittedError.exit_code


class SynthesisManifest(RunManifest):
    """Lies in the run's folder as `manifest.json`. Holds no secrets."""

    flow: Literal["synthesis"] = "synthesis"
    schema_version: int = SCHEMAS["synthesis-manifest"].version
    generator: dict[str, str]
    templates: dict[str, str]
    """Step -> SHA-256 of its template."""
    documents: str
    """Digest of the documents' contents."""
    summary: SynthesisSummary


@dataclass(frozen=True)
class Draft:
    """A run's tables as they are written, which nothing points to yet."""

    synthesis: Synthesis
    expected: Latest | None
    """The pointer as it stood."""
    fingerprint: str
    summary: SynthesisSummary


def draft_run(synthesis: Synthesis, asked: Asked, started: datetime) -> Draft:
    """Filter the answers and write the tables into the run's folder."""
    expected = standing_latest(synthesis.output)
    name = run_fingerprint(synthesis, sorted(asked.failures))
    run_id = run_name(started, name)
    folder = Layout(synthesis.output).run(run_id)
    counts = write_outcomes(synthesis, folder)
    seconds = (datetime.now(UTC) - started).total_seconds()
    return Draft(synthesis, expected, name, _summary(synthesis, asked, counts, run_id, folder, seconds))


def publish_draft(draft: Draft) -> SynthesisSummary:
    """Write the manifest and point to the run. Raises ConflictError where another run published meanwhile; the folder stays."""
    synthesis, summary, name = draft.synthesis, draft.summary, draft.fingerprint
    current().begin("publish", 1)
    manifest = SynthesisManifest(
        run_id=summary.run_id,
        fingerprint=name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=package_versions(),
        config=resolved_config(synthesis.config),
        generator={"name": summary.generator, "revision": summary.revision},
        templates={step: template.digest for step, template in synthesis.cook.templates.items()},
        documents=_documents(synthesis),
        summary=summary,
    )
    finish_run(synthesis.output, manifest, draft.expected)
    current().end("publish", "")
    return summary


def up_to_date(synthesis: Synthesis) -> SynthesisSummary | None:
    """The latest run's summary, where it is of the same documents, configuration and generator, whole, and nothing failed."""
    latest = standing_latest(synthesis.output)
    if latest is None or latest.fingerprint != run_fingerprint(synthesis, []):
        return None
    folder = Layout(synthesis.output).run(latest.run_id)
    found = whole_manifest(folder, SynthesisManifest, "synthesis-manifest")
    if found is None:
        return None
    again = {"n_asked": 0, "prompt_tokens": 0, "completion_tokens": 0, "seconds": 0.0}
    return found.summary.model_copy(update={**again, "n_reused": found.summary.n_asked + found.summary.n_reused})


def run_fingerprint(synthesis: Synthesis, failed: list[str]) -> str:
    """Of documents, recipe, generator, parameters and filters, and of requests that got no answer."""
    config = synthesis.config
    return fingerprint(
        "synthesis-run",
        VERSION,
        published=versions_of("mixval synthesize"),
        documents=_documents(synthesis),
        settings=_settings(config),
        templates=[template.digest for template in synthesis.cook.templates.values()],
        generator=synthesis.cook.identity.model_dump(mode="json"),
        failed=failed,
    )


def _settings(config: SynthesisConfig) -> dict[str, object]:
    source = config.source.model_dump(mode="json", exclude={"storage", "documents"})
    whole = config.model_dump(mode="json", exclude={"source", "output", "prompts", "generator", "runtime"})
    return {**whole, "source": source}


def _documents(synthesis: Synthesis) -> str:
    digests = [content_digest(shards) for _, shards in synthesis.listed]
    return fingerprint("documents", 1, digests=digests)


def _summary(
    synthesis: Synthesis, asked: Asked, counts: Counts, run_id: str, folder: Location, seconds: float
) -> SynthesisSummary:
    identity = synthesis.cook.identity
    return SynthesisSummary(
        run_id=run_id,
        url=folder.url,
        recipe=synthesis.config.recipe,
        generator=identity.name,
        revision=identity.revision,
        n_documents=synthesis.n_documents,
        n_planned=counts.n_planned,
        n_kept=counts.n_kept,
        n_dropped=counts.n_dropped,
        n_failed=counts.n_failed,
        dropped=dict(counts.dropped.most_common()),
        failed=dict(counts.reasons.most_common(REASONS_SHOWN)),
        n_asked=asked.n_asked,
        n_reused=asked.n_reused,
        prompt_tokens=asked.prompt_tokens,
        completion_tokens=asked.completion_tokens,
        seconds=round(seconds, 3),
    )
