"""Every planned row, kept, dropped or failed: none is lost, and none counts twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from mixval.errors import ContractError
from mixval.progress import current
from mixval.storage.root import Location
from mixval.synthesis.filters.answers import answer_filters, first_drop
from mixval.synthesis.filters.drop import Candidate, Drop
from mixval.synthesis.filters.near import KeptTexts
from mixval.synthesis.recipes import Planned
from mixval.synthesis.requests import Answer
from mixval.synthesis.running import Synthesis
from mixval.synthesis.tables import DROPPED, FAILED, ROWS, TableWriter, kept_columns

STAGE = "filter"


@dataclass
class Counts:
    """What became of the planned rows."""

    n_planned: int = 0
    n_kept: int = 0
    n_failed: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    """By reason."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Why rows failed, in words."""
    kept_tokens: int = 0

    @property
    def n_dropped(self) -> int:
        """Dropped rows of all reasons."""
        return sum(self.dropped.values())

    def ensure_whole(self) -> None:
        """Raise ContractError where planned rows are not kept, dropped and failed ones together."""
        if self.n_planned != self.n_kept + self.n_dropped + self.n_failed:
            raise ContractError(
                f"synthesis: expected {self.n_planned:,} planned rows to be kept, dropped or failed, found {self.n_kept:,}, "
                f"{self.n_dropped:,} and {self.n_failed:,}. Documents changed while they were read: run again."
            )


def write_outcomes(synthesis: Synthesis, folder: Location) -> Counts:
    """Write the tables below a run's folder, and count them. Raises ContractError where the counts do not add up."""
    config = synthesis.config
    filters = answer_filters(config, synthesis.cook.templates.values())
    most = config.filters.max_similarity
    kept_texts = None if most is None else KeptTexts(most, config.filters.shingle_words)
    writers = {name: TableWriter(folder, name) for name in (ROWS, DROPPED, FAILED)}
    counts, n_documents = Counts(), 0
    current().begin(STAGE, 1)
    names = _Names()
    for chunk in synthesis.documents():
        for document in chunk:
            n_documents += 1
            for planned in synthesis.planned(document):
                row = _Row(synthesis, planned, names.of(planned))
                table, values = row.outcome(filters, kept_texts, counts)
                writers[table].add(values)
    for writer in writers.values():
        writer.close()
    counts.n_planned = n_documents * config.outputs_a_document
    counts.n_kept, counts.n_failed = writers[ROWS].n_rows, writers[FAILED].n_rows
    if writers[DROPPED].n_rows != counts.n_dropped or n_documents != synthesis.n_documents:
        raise ContractError(
            f"{', '.join(config.source.urls)}: expected {synthesis.n_documents:,} documents as they were listed, found "
            f"{n_documents:,}. Leave them alone during a run, and run again."
        )
    counts.ensure_whole()
    current().step(STAGE, f"{n_documents:,} documents")
    current().end(STAGE, f"{counts.n_kept:,} kept, {counts.n_dropped:,} dropped, {counts.n_failed:,} failed")
    return counts


class _Names:
    """A name for each row: document and part. Documents that share a name get a number."""

    def __init__(self) -> None:
        self._n = Counter[str]()

    def of(self, planned: Planned) -> str:
        name = f"{planned.document.id}#{planned.part}"
        self._n[name] += 1
        return name if self._n[name] == 1 else f"{name}~{self._n[name]}"


@dataclass(frozen=True)
class _Row:
    synthesis: Synthesis
    planned: Planned
    name: str

    def outcome(self, filters: Any, kept: KeptTexts | None, counts: Counts) -> tuple[str, dict[str, Any]]:
        """The table that it goes to, and its columns there."""
        found = self._answer()
        if isinstance(found, str):
            counts.reasons[found] += 1
            return FAILED, {"id": self.name, "reason": found, **self._origin()}
        text = found.text.strip()
        candidate = Candidate(found, text, self.planned.document.text, self.planned.step)
        drop: Drop | None = first_drop(filters, candidate)
        if drop is None and kept is not None:
            drop = kept.drop_or_keep(self.name, text)
        if drop is not None:
            counts.dropped[drop.reason] += 1
            said = {"reason": drop.reason, "match": drop.match, "detail": drop.detail}
            return DROPPED, {"id": self.name, "text": text, **said, **self._origin(), **_answer_columns(found)}
        counts.kept_tokens += found.completion_tokens or 0
        source = self.synthesis.cook.identity.name
        return ROWS, {**kept_columns(self.name, text, source), **self._origin(), **_answer_columns(found)}

    def _answer(self) -> Answer | str:
        """The row's answer, or why there is none."""
        if self.planned.request is None:
            return self.planned.reason
        return self.synthesis.answer(self.planned.request)

    def _origin(self) -> dict[str, Any]:
        planned, cook = self.planned, self.synthesis.cook
        template, config = cook.templates[planned.step], cook.config
        return {
            "document": planned.document.id,
            "document_digest": planned.document.digest,
            "document_cut": planned.document.is_cut,
            "recipe": config.recipe,
            "part": planned.part,
            "audience": planned.audience,
            "outline": planned.outline,
            "template": template.name,
            "template_version": template.version,
            "template_digest": template.digest,
            "generator": cook.identity.name,
            "revision": cook.identity.revision,
            "temperature": config.sampling.temperature,
            "top_p": config.sampling.top_p,
            "seed": config.seed,
            "request": None if planned.request is None else planned.request.key,
        }


def _answer_columns(answer: Answer) -> dict[str, Any]:
    return {
        "model": answer.model,
        "finish_reason": answer.finish_reason,
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "max_tokens": answer.max_tokens,
        "raw_text": answer.text,
    }
