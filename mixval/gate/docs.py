"""Data Docs: Great Expectations' own rendering of the gate's results, as static pages without network requests.

Sections and tables come from its renderers. The shell around them is ours (`templates/gate_page.j2`), because its own loads
scripts and styles from six hosts. Its templates escape some values and not others, so angle brackets and quotes in what
contributors wrote are replaced by look-alikes first, and the page forbids every script.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mixval.gate.engine import LOCK, great_expectations
from mixval.gate.words import printable, shorten

TEMPLATES = Path(__file__).parent / "templates"
LOOK_ALIKES = str.maketrans({"<": "‹", ">": "›", '"': "”", "`": "ʼ"})
SUITE_TITLES = {
    "shards": "Shards, one check per file",
    "rows": "Each row",
    "repeats": "Rows compared with earlier rows and the target set",
    "contributor": "The contributor as a whole",
}


def page_name(contributor: str) -> str:
    """Path of a contributor's page below the docs folder, safe whatever the name: `contributors/SLUG-DIGEST.html`.

    The digest keeps names different on file systems that ignore case; no percent signs, which browsers would decode.
    """
    plain = unicodedata.normalize("NFKD", contributor).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain)[:40].strip("-")
    digest = hashlib.blake2b(contributor.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"contributors/{slug}-{digest}.html" if slug else f"contributors/{digest}.html"


def render_page(contributor: str, results: Sequence[dict[str, Any]]) -> bytes:
    """The page of one contributor from its `GateCheck.validations`. The same results give the same bytes."""
    great_expectations()
    with LOCK:
        from great_expectations.render.view import DefaultJinjaPageView

        view = DefaultJinjaPageView(custom_views_directory=str(TEMPLATES))
        sections = [section for result in results for section in _sections(_harmless(result))]
        return _page(view, f"Contributor {_harmless(shorten(contributor))}", sections)


def render_index(validations: Mapping[str, Sequence[dict[str, Any]]]) -> bytes:
    """The page that links to every contributor's. It needs no import of Great Expectations."""
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    version_of_docs = version("great_expectations")
    return environment.get_template("gate_index.j2").render(entries=_entries(validations), ge_version=version_of_docs).encode()


def _page(view: Any, title: str, sections: list[Any]) -> bytes:
    from great_expectations.render import RenderedDocumentContent

    document = RenderedDocumentContent(sections=sections, page_title=title, renderer_type="ValidationResultsPageRenderer")
    return str(view.render(document, template="gate_page.j2")).encode()


def _sections(result: dict[str, Any]) -> list[Any]:
    """The suite's sections by Great Expectations' renderer, its header (which links to pages we do not have) replaced."""
    from great_expectations.render import RenderedHeaderContent, RenderedSectionContent
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer

    document = ValidationResultsPageRenderer(run_info_at_end=True).render(_restored(result))
    overview, *columns, _run_info = document.sections
    title = SUITE_TITLES.get(result["suite_name"], result["suite_name"])
    state = "all expectations are met" if result["success"] else "some expectations are not met"
    header = RenderedHeaderContent(header=title, subheader=state, styling={"header": {"classes": ["alert"]}})
    return [RenderedSectionContent([header, *overview.content_blocks[1:]], title), *columns]


def _restored(result: dict[str, Any]) -> Any:
    """A `GateCheck.validations` entry as Great Expectations' object."""
    from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    entries = [
        ExpectationValidationResult(
            success=entry["success"],
            expectation_config=ExpectationConfiguration(**entry["expectation_config"]),
            result=entry["result"],
            exception_info=entry["exception_info"],
        )
        for entry in result["results"]
    ]
    return ExpectationSuiteValidationResult(
        success=result["success"],
        suite_name=result["suite_name"],
        results=entries,
        statistics=result["statistics"],
        meta={},
    )


def _entries(validations: Mapping[str, Sequence[dict[str, Any]]]) -> list[dict[str, str]]:
    entries = []
    for contributor, results in validations.items():
        failed = sum(result["statistics"]["unsuccessful_expectations"] for result in results)
        n = sum(result["statistics"]["evaluated_expectations"] for result in results)
        words = _harmless(shorten(contributor) or "(no name)")
        entries.append({"words": words, "page": page_name(contributor), "met": f"{n - failed:,} of {n:,} met"})
    return entries


def _harmless(value: Any) -> Any:
    """The same JSON with every text in it printable and free of characters that open markup."""
    if isinstance(value, str):
        return printable(value).translate(LOOK_ALIKES)
    if isinstance(value, dict):
        return {key: _harmless(item) for key, item in value.items()}
    return [_harmless(item) for item in value] if isinstance(value, list) else value
