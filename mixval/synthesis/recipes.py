"""Which requests a document gives, step by step, and which rows are planned for it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mixval.config.synthesis import Audience, SynthesisConfig
from mixval.seeds import derive_seed
from mixval.synthesis.documents import Document
from mixval.synthesis.requests import Answer, GeneratorIdentity, Request, make_request
from mixval.synthesis.templates import PromptTemplate

NO_TEXT = "the document has no text"


@dataclass(frozen=True)
class Planned:
    """One row that is planned, and the request that gives its text."""

    document: Document
    part: str
    """`rephrase`, or `chapter-1` and so on: a document's rows differ in it."""
    step: str
    audience: Audience | None
    request: Request | None
    """None where it cannot be made: then `reason` says why."""
    reason: str = ""
    outline: str | None = None
    """The outline that a chapter is written to."""


@dataclass(frozen=True)
class Cook:
    """A recipe with its templates, for one generator."""

    config: SynthesisConfig
    templates: Mapping[str, PromptTemplate]
    identity: GeneratorIdentity

    def first(self, document: Document) -> Request | None:
        """What is asked of a document first; None for one without text."""
        if not document.text:
            return None
        step = self.config.steps[0]
        values = {"document": document.text, "audience": self.audience(document)}
        digests = {"document": document.digest} | ({"audience": values["audience"]} if "audience" in self._places(step) else {})
        return self._request(step, step, values, digests)

    def planned(self, document: Document, first: Answer | str) -> list[Planned]:
        """The rows of a document, given the answer to its first request, or why there is none."""
        if "chapter" not in self.config.steps:
            request = None if isinstance(first, str) and not document.text else self.first(document)
            reason = first if isinstance(first, str) else ""
            return [Planned(document, "rephrase", "rephrase", None, request, reason)]
        audience = self.audience(document)
        numbers = range(1, self.config.chapters + 1)
        if isinstance(first, str) or not first.text.strip():
            why = first if isinstance(first, str) else "it is empty"
            reason = why if why == NO_TEXT else f"no outline: {why}"
            return [Planned(document, f"chapter-{n}", "chapter", audience, None, reason) for n in numbers]
        return [
            Planned(document, f"chapter-{n}", "chapter", audience, self._chapter(document, first, n), outline=first.text)
            for n in numbers
        ]

    def audience(self, document: Document) -> Audience:
        """Whom a document's textbook is for: a draw that is the document's own."""
        choices = self.config.audiences
        return choices[derive_seed(self.config.seed, "audience", document.digest) % len(choices)]

    def _chapter(self, document: Document, outline: Answer, number: int) -> Request:
        text = outline.text.strip()
        values = {
            "document": document.text,
            "outline": text,
            "chapter": str(number),
            "audience": self.audience(document),
        }
        digests = {
            "document": document.digest,
            "outline": hashlib.sha256(text.encode()).hexdigest(),
            "chapter": str(number),
            "audience": values["audience"],
        }
        return self._request("chapter", f"chapter-{number}", values, digests)

    def _request(self, step: str, part: str, values: Mapping[str, str], digests: dict[str, str]) -> Request:
        template = self.templates[step]
        made_from = {**digests, "template": template.digest}
        messages = template.filled(values)
        return make_request(messages, part, made_from, self.identity, self.config.sampling, self.config.seed)

    def _places(self, step: str) -> Sequence[str]:
        template = self.templates[step]
        return [name for name in ("audience",) if f"{{{{{name}}}}}" in template.user + template.system]


def unique(requests: Sequence[Request | None]) -> Iterator[Request]:
    """The requests, each key once: documents of the same text share an answer."""
    seen: set[str] = set()
    for request in requests:
        if request is not None and request.key not in seen:
            seen.add(request.key)
            yield request
