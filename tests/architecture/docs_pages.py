"""The documentation as a test sees it: pages, links, code spans and fenced blocks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("deployments/*.md"), *ROOT.glob("examples/**/*.md")],
)
PACKAGES = ("mixval", "tasks", "flows", "deployments", "docs", "tests", "examples", "benchmarks", ".ci")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
SPAN = re.compile(r"`([^`\n]+)`")
GENERATED = re.compile(r"/out(/|$)|^mixval-out|^benchmarks/results/")
"""Paths that a run makes."""


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    page: Path
    language: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT)}: {self.text.strip().splitlines()[0][:50]}"


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(language: str) -> list[Block]:
    return [Block(page, tag, body) for page in PAGES for tag, body in FENCE.findall(text_of(page)) if tag == language]


def links(page: Path) -> list[str]:
    """Targets of links to places in this repository."""
    found = LINK.findall(FENCE.sub("", text_of(page)))
    return [target for target in found if "://" not in target and not target.startswith("mailto:")]


def anchors(page: Path) -> set[str]:
    """Anchors of headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text_of(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(page: Path, program: str) -> list[str]:
    """Command lines of a program: in code spans, in indented lines and in fenced blocks, without comments."""
    text = text_of(page)
    spans = SPAN.findall(FENCE.sub("", text))
    line = re.compile(rf"^ *(?:\$ )?((?:\.venv/bin/)?{re.escape(program)} .+)$", re.MULTILINE)
    code = [*re.findall(r"^ {4}.*$", text, re.MULTILINE), *(body for _, body in FENCE.findall(text))]
    candidates = [*spans, *(found for part in code for found in line.findall(part))]
    found = [re.sub(r"\s{2,}.*$|\s#\s.*$", "", one).strip() for one in candidates]
    return [one.removeprefix(".venv/bin/") for one in found if one.removeprefix(".venv/bin/").startswith(f"{program} ")]


def named_paths(page: Path) -> list[str]:
    """Paths of this repository that stand in code spans: `mixval/terms/bound.py`, `docs/`, `.ci/run`."""
    spans = SPAN.findall(FENCE.sub("", text_of(page)))
    starts = tuple(f"{package}/" for package in PACKAGES)
    plain = re.compile(r"[\w./-]+")
    found = [span for span in spans if span.startswith(starts) and plain.fullmatch(span)]
    return [span for span in found if not GENERATED.search(span)]


def laid_over(base: dict[str, Any], fragment: dict[str, Any]) -> dict[str, Any]:
    """The base with a fragment on top; a checkpoint takes the place of a random initialisation."""
    merged = dict(base)
    for key, value in fragment.items():
        inner = merged.get(key)
        merged[key] = laid_over(inner, value) if isinstance(value, dict) and isinstance(inner, dict) else value
    if "path" in fragment:
        merged.pop("random_init", None)
        merged.pop("tokenizer", None)
    return merged


def yaml_of(block: Block) -> dict[str, Any]:
    loaded = yaml.safe_load(block.text)
    assert isinstance(loaded, dict), block.name
    return loaded
