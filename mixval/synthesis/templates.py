"""Prompt templates: text files with a version, a system and a user message, and places that are filled in.

    # version 1
    [system]
    ...
    [user]
    ... {{document}} ...

Places are `{{document}}`, `{{audience}}`, `{{outline}}` and `{{chapter}}`. They are filled in at once, so that braces of a
template, a document or an outline are text and nothing else.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from mixval.config.source import StorageConfig
from mixval.config.synthesis import SynthesisConfig
from mixval.errors import ConfigError
from mixval.storage.root import open_location

_SHIPPED = {
    ("hq-rephrase", "rephrase"): "hq-rephrase.txt",
    ("qa-rephrase", "rephrase"): "qa-rephrase.txt",
    ("textbook", "outline"): "textbook-outline.txt",
    ("textbook", "chapter"): "textbook-chapter.txt",
}
_NEEDED = {"rephrase": ("document",), "outline": ("document", "audience"), "chapter": ("outline", "chapter")}
"""Places that a step's template must have."""
_KNOWN = ("document", "audience", "outline", "chapter")
_PLACE = re.compile(r"\{\{(" + "|".join(_KNOWN) + r")\}\}")
_HEAD = re.compile(r"# version (\S+)\s*\n")
_PARTS = re.compile(r"^\[(system|user)\][ \t]*\n", re.MULTILINE)
MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class PromptTemplate:
    """One template."""

    name: str
    """Its file's name."""
    version: str
    digest: str
    """SHA-256 of the file."""
    system: str
    user: str

    def filled(self, values: Mapping[str, str]) -> tuple[str, str]:
        """System and user message with these values in their places."""
        return self._fill(self.system, values), self._fill(self.user, values)

    @property
    def own_text(self) -> str:
        """What stands in it besides the places."""
        return _PLACE.sub("\n", f"{self.system}\n{self.user}")

    @staticmethod
    def _fill(text: str, values: Mapping[str, str]) -> str:
        return _PLACE.sub(lambda place: values.get(place[1], place[0]), text)


def load_templates(config: SynthesisConfig) -> dict[str, PromptTemplate]:
    """The template of each of the recipe's steps. Raises ConfigError for one that cannot be used."""
    return {step: _load(config, step) for step in config.steps}


def _load(config: SynthesisConfig, step: str) -> PromptTemplate:
    if (url := config.prompts.get(step)) is None:
        name = _SHIPPED[config.recipe, step]
        data = resources.files("mixval.synthesis").joinpath("prompts", name).read_bytes()
        return parse_template(data, name, step)
    location = open_location(url, StorageConfig() if "://" not in url else config.source.storage)
    return parse_template(location.read_bytes(), location.name, step)


def parse_template(data: bytes, name: str, step: str) -> PromptTemplate:
    """The template in a file's bytes. Raises ConfigError that says what it lacks."""
    where = f"prompts.{step} ({name})"
    if len(data) > MOST_BYTES:
        raise ConfigError(f"{where}: expected a template of at most {MOST_BYTES:,} bytes, found {len(data):,}. Shorten it.")
    try:
        text = data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{where}: expected text in UTF-8, found {error}. Save it so.") from error
    head = _HEAD.match(text)
    pieces = _PARTS.split(text[head.end() :] if head else text)
    parts = dict(zip(pieces[1::2], pieces[2::2], strict=True))
    if head is None or pieces[0].strip() or "user" not in parts or len(pieces) != 1 + 2 * len(parts):
        raise ConfigError(
            f"{where}: expected a line `# version N`, then a part that begins with the line [user], and one of [system] where "
            "there is one, found another form. Begin with a shipped one: mixval/synthesis/prompts."
        )
    missing = [place for place in _NEEDED[step] if f"{{{{{place}}}}}" not in parts["user"] + parts.get("system", "")]
    if missing:
        places = ", ".join(f"{{{{{place}}}}}" for place in missing)
        raise ConfigError(f"{where}: expected the places {places}, found none. Write them where the text belongs.")
    digest = hashlib.sha256(data).hexdigest()
    return PromptTemplate(name, head[1], digest, parts.get("system", "").strip("\n"), parts["user"].strip("\n"))
