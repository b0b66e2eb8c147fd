"""Data Docs: whole, harmless whatever contributors wrote, and asking nothing of the network."""

import re
from html.parser import HTMLParser
from pathlib import PurePosixPath

import pytest

from mixval.config.gate import GateConfig
from mixval.gate.docs import page_name, render_index, render_page

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'`$PARAMETER${x}"
NAMES = ["news", "News", "../../etc/passwd", "a/b\\c", "новости", "📰", "", ".", "x" * 400, EVIL, "a\x00b", "\ud800"]


class Tags(HTMLParser):
    """Every element with its attributes, and the text."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page.decode())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def validations(check, text_rows):
    bad = text_rows(text={i: f"{EVIL} {i}" for i in range(5)}, label=dict.fromkeys(range(5), 9), origin={6: EVIL})
    return check(bad, GateConfig(max_bad_row_share=0.01), name=EVIL).validations


def test_page_names_are_safe_and_distinct():
    pages = [page_name(name) for name in NAMES]
    assert len({page.lower() for page in pages}) == len(NAMES)
    for page in pages:
        assert re.fullmatch(r"contributors/[a-z0-9-]+\.html", page)
        assert len(PurePosixPath(page).name) < 80


def test_index_links_to_every_page(validations):
    index = render_index(dict.fromkeys(NAMES, validations))
    links = [attributes["href"] for tag, attributes in Tags(index).tags if tag == "a"]
    assert links == [page_name(name) for name in NAMES]


def test_pages_tell_what_was_found(validations):
    page = Tags(render_page("news", validations)).text
    for words in (
        "Contributor news",
        "Each row",
        "column 'label' must be one of the target's labels 0, 1, 2 (drop)",
        "5 unexpected values found",
        "at most 0.01 of the rows may break the row checks",
        "not met",
    ):
        assert words in page


def test_pages_run_nothing_and_load_nothing(validations):
    for page in (render_index({EVIL: validations}), render_page(EVIL, validations)):
        parsed = Tags(page)
        assert not {tag for tag, _ in parsed.tags} & {"script", "img", "link", "iframe", "object", "form", "svg"}
        attributes = [name for _, found in parsed.tags for name in found]
        assert not [name for name in attributes if name.startswith("on")]
        urls = [found[name] for _, found in parsed.tags for name in ("href", "src") if name in found]
        assert all(str(url).endswith(".html") and "//" not in str(url) for url in urls)
        assert b"default-src 'none'" in page
        assert b"http" not in page.replace(b"http-equiv", b"")
        assert "‹script›alert(1)" in parsed.text


def test_same_results_same_bytes(validations):
    assert render_page("news", validations) == render_page("news", validations)
    assert render_index({"news": validations}) == render_index({"news": validations})


def test_a_contributor_without_results_and_nobody_at_all():
    assert "no contributor" in Tags(render_index({})).text
    assert "Contributor a" in Tags(render_page("a", [])).text
