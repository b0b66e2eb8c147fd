"""The evidence page out of stored results: complete, self-contained, the same again, and safe with hostile names."""

from __future__ import annotations

from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from markupsafe import Markup

from mixval.errors import ContractError
from mixval.evidence.comparison import compare
from mixval.evidence.page.cost_plot import comparable, frontier
from mixval.evidence.page.render import render_page
from mixval.evidence.page.section import Section
from mixval.evidence.page.view import panels
from mixval.publish.numerals import fixed
from tests.evidence.planted_results import K, planted_world, planted_worlds

HOSTILE = "<script>alert(1)</script>\"'&$x^2$ \u202e\U0001f4a3 "


class Elements(HTMLParser):
    """Every start tag of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(scope="module")
def page() -> str:
    return render_page(planted_worlds())


def test_the_page_tells_the_whole_comparison(page: str) -> None:
    found, text = compare(planted_worlds()), " ".join(Elements(page).text)
    assert page == render_page(planted_worlds())
    for one in found.methods:
        assert one.method in text
        assert fixed(one.mean.value, 2) in text
    for words in ("Where ntk-regression loses", "Not measured", "found no 'dattri'", "12 contributors, 3 seeds of truth"):
        assert words in text
    losses = page[page.index('data-table="losses"') :]
    assert "<bdi>words</bdi>" in losses[: losses.index("</table>")]
    assert ">size<" in losses[: losses.index("</table>")]


def test_every_world_has_all_statistics_of_its_methods(page: str) -> None:
    for at, world in enumerate(planted_worlds()):
        table = page[page.index(f'data-table="world-{at}"') :]
        rows = table[: table.index("</table>")].split("<tr>")[2:]
        assert len(rows) == len(world.methods)
        for row in rows:
            one = next(one for one in world.methods if f"<bdi>{one.method}</bdi>" in row)
            cells = [fixed(one.statistics[name].value, 2) for name in ("spearman", "kendall", "pearson", "top_regret")]
            assert [cell.partition("<")[0] for cell in row.split('<td class="n">')[1:]] == cells


def test_every_contributor_has_a_dot_in_every_panel(page: str) -> None:
    for world, n_panels in (("truth-0", 4), ("truth-1", 3)):
        for layout in ("wide", "narrow"):
            dots = page.count(f'id="{world}-{layout}-dot-')
            assert dots == n_panels * K, (world, layout)
    assert page.count('id="cost-wide-method-') == len(comparable(compare(planted_worlds()))) == 4


def test_charts_are_well_formed_and_nothing_is_fetched_or_run(page: str) -> None:
    tags = Elements(page).tags
    assert not {"script", "img", "iframe", "object", "link"} & {tag for tag, given in tags if given.get("rel") != "icon"}
    for tag, given in tags:
        assert not [name for name in given if name.startswith("on")], tag
        for name in ("href", "xlink:href", "src"):
            assert (given.get(name) or "#").startswith(("#", "data:,")), (tag, given)
    parts = page.split("<svg ")[1:]
    assert len(parts) == 6
    for part in parts:
        ElementTree.fromstring("<svg " + part[: part.index("</svg>")] + "</svg>")
    ids = [given["id"] for _, given in tags if "id" in given]
    assert len(set(ids)) == len(ids)


def test_hostile_names_are_text(page: str) -> None:
    found = render_page(planted_worlds(prefix=HOSTILE))
    assert "<script" not in found
    assert "\u202e" not in found
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in found
    assert [tag for tag, _ in Elements(found).tags].count("section") == [tag for tag, _ in Elements(page).tags].count("section")
    hostile = planted_world(HOSTILE, {"ntk-regression": 0.3, HOSTILE: 0.0})
    skipped = hostile.model_copy(update={"command": HOSTILE})
    assert "<script" not in render_page([skipped])
    assert "$x^2$" in render_page([skipped])  # never read as mathematics


def test_panels_are_ours_and_the_best_rivals_of_the_world() -> None:
    found = compare(planted_worlds())
    assert panels(found, "words")[:2] == ["ntk-regression", "size"]
    assert panels(found, "pixels")[:2] == ["ntk-regression", "trak"]


def test_the_frontier_has_nobody_that_a_cheaper_method_beats() -> None:
    methods = comparable(compare(planted_worlds()))
    kept = frontier(methods)
    for one in methods:
        beaten = any(other.seconds <= one.seconds and other.mean.value > one.mean.value for other in methods)
        assert (one in kept) != beaten or any(np.isclose(one.mean.value, other.mean.value) for other in kept)
    assert [one.seconds for one in kept] == sorted(one.seconds for one in kept)


def test_a_page_without_rivals_or_losses_stands() -> None:
    text = " ".join(Elements(render_page([planted_world("pixels", {"ntk-regression": 0.0})])).text)
    assert "No rival has scores in every world." in text
    assert "No rival has a higher Spearman correlation in any world." in text


def test_sections_that_are_brought_along_stand_below_the_worlds() -> None:
    own = Section("more", "more & <b>", Markup("<p data-more>words</p>"))
    page = render_page(planted_worlds(), sections=[own, Section("rest", Markup("<bdi>r</bdi>"), Markup("<svg></svg>"))])
    found = Elements(page).text
    assert "more & <b>" in found  # plain text is escaped
    assert "<p data-more>words</p>" in page
    at = [page.index(words) for words in ('id="h-world-1"', 'id="s-more"', 'id="s-rest"')]
    assert at == sorted(at)
    assert page.count("<section") == render_page(planted_worlds()).count("<section") + 2
    with pytest.raises(ContractError, match="unlike keys, found more twice"):
        render_page(planted_worlds(), sections=[own, own])
