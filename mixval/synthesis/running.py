"""Ask a generator what the journal does not have yet, and hand on every planned row with its answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from mixval.config.source import SourceConfig
from mixval.config.synthesis import SynthesisConfig
from mixval.contracts.plan import ShardRef
from mixval.errors import TargetError
from mixval.progress import current
from mixval.storage.root import Location, open_location
from mixval.synthesis.documents import Document, count_documents, in_chunks, list_documents, read_documents
from mixval.synthesis.journal import Journal
from mixval.synthesis.recipes import NO_TEXT, Cook, Planned, unique
from mixval.synthesis.requests import Answer, Failure, Generator, GeneratorIdentity, Request
from mixval.synthesis.templates import load_templates

Listed = list[tuple[SourceConfig, list[ShardRef]]]
STAGE = "generate"


@dataclass
class Asked:
    """What a run has asked for, and what was there."""

    n_asked: int = 0
    n_reused: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    """Key of a request without an answer -> why."""


class Synthesis:
    """One run: its documents, recipe, generator's identity and journal."""

    def __init__(self, config: SynthesisConfig, identity: GeneratorIdentity) -> None:
        """List the documents and read the journal. Raises TargetError where there is no document."""
        self.config = config
        self.listed: Listed = list_documents(config.source)
        self.n_documents = count_documents(config.source, self.listed)
        if not self.n_documents:
            raise TargetError(f"{', '.join(config.source.urls)}: expected documents, found no row. Check `source.documents`.")
        self.cook = Cook(config, load_templates(config), identity)
        self.output: Location = open_location(config.output, config.source.storage)
        self.journal = Journal(self.output)
        self.asked = Asked()

    def documents(self) -> Iterator[tuple[Document, ...]]:
        """The documents, some at a time."""
        return in_chunks(read_documents(self.config.source, self.listed))

    @property
    def n_requests(self) -> int:
        """Requests of all documents together, those with an answer included."""
        return self.n_documents * (1 + (self.config.chapters if self.has_chapters else 0))

    @property
    def has_chapters(self) -> bool:
        """Whether a document's first answer is an outline, to which chapters are asked for."""
        return "chapter" in self.config.steps

    def generate(self, generator: Generator, heard: Callable[[], None]) -> Asked:
        """Ask for all that the journal does not have; `heard` is called for each request that is done.

        Raises GeneratorError where the generator is gone; what was answered is in the journal then.
        """
        shown = _Hundredths(self.n_requests)
        try:
            for chunk in self.documents():
                self._ask(generator, [self.cook.first(document) for document in chunk], heard, shown)
                if self.has_chapters:
                    wanted = [one.request for document in chunk for one in self.planned(document)]
                    self._ask(generator, wanted, heard, shown)
        finally:
            self.journal.flush()
        shown.end(self._words())
        return self.asked

    def planned(self, document: Document) -> list[Planned]:
        """The rows that are planned for a document, as far as its answers go."""
        return self.cook.planned(document, self.answer(self.cook.first(document)))

    def answer(self, request: Request | None) -> Answer | str:
        """The answer to a request, or why there is none."""
        if request is None:
            return NO_TEXT
        found = self.journal.find(request.key, self.config.sampling.max_tokens)
        return found or self.asked.failures.get(request.key, "not asked yet")

    def missing(self, requests: Sequence[Request | None]) -> list[Request]:
        """Requests that the journal has no answer for, each once."""
        most = self.config.sampling.max_tokens
        return [request for request in unique(requests) if self.journal.find(request.key, most) is None]

    def _ask(
        self, generator: Generator, requests: Sequence[Request | None], heard: Callable[[], None], shown: _Hundredths
    ) -> None:
        wanted = self.missing(requests)
        shared = Counter("" if request is None else request.key for request in requests)
        self.asked.n_reused += len({*shared} - {""}) - len(wanted)
        shown.add(len(requests) - sum(shared[request.key] for request in wanted))
        for result in generator.ask(wanted) if wanted else ():
            self.asked.n_asked += 1
            heard()
            shown.add(shared[result.key])
            if isinstance(result, Failure):
                self.asked.failures[result.key] = result.reason
                continue
            self.journal.add([result])
            self.asked.prompt_tokens += result.prompt_tokens or 0
            self.asked.completion_tokens += result.completion_tokens or 0
        self.journal.flush()

    def _words(self) -> str:
        asked = self.asked
        return f"{asked.n_asked:,} requests, {asked.n_reused:,} reused, {len(asked.failures):,} failed"


class _Hundredths:
    """Progress in hundredths: a log gets no line for each of a million requests."""

    def __init__(self, total: int) -> None:
        self._total, self._done = total, 0
        self._parts = min(total, 100)
        current().begin(STAGE, self._parts)

    def add(self, n: int) -> None:
        before, self._done = self._done, self._done + n
        for _ in range(self._parts * before // self._total, self._parts * min(self._done, self._total) // self._total):
            current().step(STAGE, f"{self._done:,} of {self._total:,} requests")

    def end(self, words: str) -> None:
        current().end(STAGE, words)
