"""The studies find what is planted: a switch that matters, agreement of subsets. The page shows it."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from pydantic import ValidationError

from benchmarks.evidence.studies import ablation, stability
from benchmarks.evidence.studies.ablation_eq8 import Switch, term_variants
from benchmarks.evidence.studies.results import (
    AblationResult,
    Candidate,
    StabilityResult,
    ablate,
    agreements,
    read_ablations,
    read_stabilities,
    write_study,
)
from benchmarks.evidence.studies.section import ablation_sections, stability_sections
from benchmarks.tests.planted_studies import HOSTILE, NAMES, QUALITY, TRUTH, K, planted_ablation, planted_stability, scored
from mixval.errors import ContractError
from mixval.publish.numerals import fixed
from mixval.storage.root import open_location
from mixval.valuation.estimates import TermEstimates


def test_a_variant_by_the_truth_gains_and_the_same_ranking_gains_nothing() -> None:
    knows, same, backwards = planted_ablation().ablations[0].variants
    base = planted_ablation().ablations[0].spearman
    assert knows.spearman.value == pytest.approx(1)
    assert knows.gain.value == pytest.approx(1 - base.value)
    assert 0 < knows.gain.low < knows.gain.value < knows.gain.high
    assert knows.p < knows.p_holm < 0.05
    assert (same.gain.value, same.gain.low, same.gain.high, same.p_holm) == (0, 0, 0, 1)
    assert backwards.spearman.value == pytest.approx(-1)
    assert backwards.gain.high < 0


def test_rankings_of_other_contributors_are_refused() -> None:
    with pytest.raises(ContractError, match="Measure the same contributors"):
        ablate("w", "m", scored(0), [Candidate(name="short", group="g", scores={"c00": 1.0})], TRUTH, n_resamples=5)


def test_terms_are_removed_and_left_alone_one_by_one() -> None:
    noise = np.random.default_rng(3).normal(size=(K, 2))
    terms = np.column_stack([-QUALITY, noise, np.full(K, 0.3)])
    estimates = TermEstimates(tuple(NAMES), terms, np.zeros((K, 4)), None)
    found = {one.name: one.scores for one in term_variants(estimates)}
    assert len(found) == 8
    order = [NAMES[at] for at in np.argsort(QUALITY)]
    assert sorted(NAMES, key=lambda name: found["loss alone"][name]) == order
    spread = noise.std(axis=0, ddof=1)
    left = -((noise - noise.mean(0)) / spread).sum(1)  # composition is equal for all: only the noise is left
    expected = sorted(NAMES, key=lambda name: left[NAMES.index(name)])
    assert sorted(NAMES, key=lambda name: found["without loss"][name]) == expected
    assert found["composition alone"] == dict.fromkeys(NAMES, -0.3)


def test_a_switch_is_named_as_the_configuration_writes_it() -> None:
    switch = Switch({"ntk": {"output": "margin", "sample": {"count": 5}, "parameters": ["linear", "conv"]}})
    assert switch.name == "ntk.output: margin, ntk.sample.count: 5, ntk.parameters: [linear, conv]"
    assert switch.group == "ntk"


def test_subsets_agree_as_far_as_they_were_planted_to() -> None:
    rankings = {400: np.stack([QUALITY, -QUALITY]), 100: np.stack([-QUALITY, -QUALITY])}
    small, large = agreements("m", "as-measured", rankings, QUALITY, QUALITY)
    assert (small.n_rows, large.n_rows) == (100, 400)
    assert (small.against_all, small.against_next, small.spearman) == ([-1, -1], [-1, 1], [-1, -1])
    assert (large.against_all, large.against_next) == ([1, -1], [1, -1])
    assert agreements("m", "f", rankings, QUALITY)[0].spearman == []
    with pytest.raises(ValidationError, match="once"):
        StabilityResult(world="w", task="instruction", n_rows={"a": 1}, target_rows=1, subsets=[small, small])


def test_studies_are_stored_beside_one_another(tmp_path: Path) -> None:
    folder = open_location(tmp_path)
    assert read_ablations(folder) == []
    assert read_stabilities(folder) == []
    made, held = planted_ablation(), planted_stability()
    assert write_study(made, folder).name == "ablation.json"
    assert write_study(held, folder).name == "stability.json"
    assert read_ablations(folder) == [made]
    assert read_stabilities(folder) == [held]
    write_study(held, folder).write_bytes(b'{"world": 3}')
    with pytest.raises(ContractError, match="StabilityResult"):
        read_stabilities(folder)


def test_figures_and_tables_say_what_was_found() -> None:
    made, held = planted_ablation(), planted_stability(stability.LARGE)
    named = {one["name"]: one["figure"] for one in ablation.figures(made) + stability.figures(held)}
    variant = made.ablations[0].variants[0]
    assert named["ablation/pixels/eq8-equal-z/knows the truth/gain"] == pytest.approx(variant.gain.value, rel=1e-3)
    assert named["kendall_100"] == pytest.approx(np.mean(held.subsets[0].against_all), rel=1e-3)
    assert named["kendall_400/eq8-equal-z"] == pytest.approx(np.mean(held.subsets[3].against_all), rel=1e-3)
    assert {"kendall_400/next", "kendall_switch/lambda/0.1"} <= set(named)
    assert "pixels/kendall_100" in {one["name"] for one in stability.figures(planted_stability())}
    assert "knows the truth" in ablation.table_text(made)
    assert "does not fit" in ablation.table_text(made)
    assert "lambda 0.1: 0.87" in stability.table_text(held)


def html(made: AblationResult, held: StabilityResult) -> str:
    """Both sections, headings and all."""
    return "".join(one.heading + one.body for one in (*ablation_sections([made]), *stability_sections([held])))


class Text(HTMLParser):
    """The text and the tags of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_section_shows_every_number() -> None:
    made, held = planted_ablation(), planted_stability()
    section = html(made, held)
    assert section == html(made, held)
    words = " ".join(Text(section).text)
    for one in made.ablations[0].variants:
        for shown in (one.name, fixed(one.spearman.value, 2), fixed(one.gain.low, 2), fixed(one.gain.high, 2)):
            assert shown in words
    for subset in held.subsets:
        for number in (np.mean(subset.against_all), min(subset.against_all), np.mean(subset.against_next)):
            assert fixed(float(number), 2) in words
    for shown in ("does not fit", "measure it too", "0.87", "16 contributors of 900 to 900 rows", "Spearman with truth"):
        assert shown in words
    reached = all(np.mean(one.against_all) >= 0.9 for one in held.subsets if one.method != "eq8-equal-z" and one.n_rows == 400)
    assert ("Reaching 0.9 from 400 rows on: ntk-regression" in words) == reached
    assert section.count('id="gain-0-0-wide-gain-') == 3
    assert section.count('id="rows-0-wide-curve-') == 2


def test_the_section_is_well_formed_and_hostile_names_are_text() -> None:
    made = planted_ablation()
    section = html(planted_ablation(HOSTILE, HOSTILE), planted_stability(HOSTILE, HOSTILE))
    assert "<script" not in section
    assert "\u202e" not in section
    parts = section.split("<svg ")[1:]
    assert len(parts) == 4
    for part in parts:
        ElementTree.fromstring("<svg " + part[: part.index("</svg>")] + "</svg>")
    tags = Text(section).tags
    ids = [given["id"] for _, given in tags if "id" in given]
    assert len(set(ids)) == len(ids)
    without = made.model_copy(update={"ablations": [made.ablations[0].model_copy(update={"variants": []})]})
    assert ablation_sections([without]) == []
