"""A synthesis from its configuration to its published rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from mixval.config.generators import ServerGeneratorConfig
from mixval.config.synthesis import SynthesisConfig
from mixval.errors import ConfigError
from mixval.storage.root import open_location
from mixval.synthesis.facts import synthesis_facts
from mixval.synthesis.filters.language import known_languages
from mixval.synthesis.local import BatchedGenerator, Results, local_identity
from mixval.synthesis.publishing import Draft, SynthesisSummary, draft_run, publish_draft, up_to_date
from mixval.synthesis.requests import Generator, GeneratorIdentity
from mixval.synthesis.running import Synthesis
from mixval.synthesis.server import ServerGenerator, server_identity
from mixval.telemetry.observing import observed, tell

FLOW = "synthesis"
"""As telemetry names it."""


def begin(config: SynthesisConfig) -> Synthesis:
    """A run: documents listed, templates and journal read. Raises ConfigError, TargetError or ModelError before it costs."""
    wanted = config.filters.language
    if wanted is not None and wanted not in (known := known_languages()):
        raise ConfigError(f"filters.language: expected one of {', '.join(sorted(known))}, found {wanted!r}. Correct it.")
    return Synthesis(config, identity_of(config))


def drafted(synthesis: Synthesis, results: Results, heard: Callable[[], None] = lambda: None) -> Draft | SynthesisSummary:
    """Ask, filter and write; or the latest run's summary where nothing has changed.

    `results` computes batches of a local model; `heard` is called for each request that is done.
    """
    if (found := unchanged(synthesis)) is not None:
        return found
    started = datetime.now(UTC)
    with opened_generator(synthesis.config, results) as generator:
        asked = synthesis.generate(generator, heard)
    return draft_run(synthesis, asked, started)


def unchanged(synthesis: Synthesis) -> SynthesisSummary | None:
    """The latest run's summary where it is up to date, told to those who watch."""
    found = up_to_date(synthesis)
    if found is not None:
        tell(lambda: synthesis_facts(synthesis, found, is_new=False))
    return found


def synthesize_with(config: SynthesisConfig, results: Results) -> SynthesisSummary:
    """The whole run in this process."""
    output = open_location(config.output, config.source.storage)
    with observed(FLOW, output, config.runtime.telling):
        found = drafted(begin(config), results)
        return publish_told(found) if isinstance(found, Draft) else found


def publish_told(draft: Draft) -> SynthesisSummary:
    """Publish the tables, and tell those who watch. Raises as `publish_draft` does."""
    summary = publish_draft(draft)
    tell(lambda: synthesis_facts(draft.synthesis, summary, is_new=True))
    return summary


def identity_of(config: SynthesisConfig) -> GeneratorIdentity:
    """What tells the generator from others. No model is loaded, and nothing contacted."""
    chosen = config.generator
    return server_identity(chosen) if isinstance(chosen, ServerGeneratorConfig) else local_identity(chosen)


@contextmanager
def opened_generator(config: SynthesisConfig, results: Results) -> Iterator[Generator]:
    """The generator of a configuration, for as long as the block runs."""
    chosen = config.generator
    if isinstance(chosen, ServerGeneratorConfig):
        with ServerGenerator(chosen, config.sampling) as generator:
            yield generator
    else:
        yield BatchedGenerator(chosen, config.sampling, config.runtime.device, results)
