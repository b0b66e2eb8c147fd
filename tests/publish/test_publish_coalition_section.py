"""Coalition values: aligned with the ranking, drawn and said as the tables have them, refused where they do not fit."""

import html
import json
import re
from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest
from coalition_run import make_both, make_coalitions, with_coalitions
from published_run import NAMES, make_results

from mixval.contracts.results import COALITIONS, REDUNDANCY
from mixval.errors import ContractError
from mixval.publish.coalition_values import coalition_values, shapley_ranks
from mixval.publish.manifest import read_manifest
from mixval.publish.numerals import fixed, signed
from mixval.publish.ranking import value_decimals
from mixval.publish.report import coalition_view
from mixval.publish.report.redundancy_chart import BLANK, clustered
from mixval.publish.report.render import render_report
from mixval.publish.verdict_words import is_ordered

CELL = r'<g id="redundancy-wide-pair-(\d+)-(\d+)"><title>([^<]*): ([^<]*)</title>(.*?)</g>'


def report(results, found=None):
    tables = (results.ranking, results.terms, results.rejected, results.outcomes, results.manifest, results.warnings)
    return render_report(*tables, *(() if found is None else (found.coalitions, found.redundancy)))


def aligned(results, found):
    return coalition_values(results.ranking, found.coalitions, found.redundancy)


def section(text):
    start = text.index('aria-labelledby="h-coalitions"')
    return html.unescape(re.sub(r"<svg.*?</svg>|</?bdi>", "", text[start : text.index("</section>", start)], flags=re.DOTALL))


def cells(text, table):
    body = re.search(rf'<table data-table="{table}">.*?<tbody>(.*?)</tbody>', text, re.DOTALL)[1]
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)]
    return [[html.unescape(re.sub(r"<[^>]+>", "", cell)) for cell in row] for row in rows]


@pytest.fixture(scope="module")
def both():
    return make_both(NAMES)


@pytest.fixture(scope="module")
def text(both):
    return report(*both)


def test_values_stand_in_the_order_of_the_ranking(both):
    results, found = both
    joined = aligned(results, found)
    rows = {row["contributor"]: row for row in found.coalitions.to_pylist()}
    assert list(joined.names) == results.ranking["contributor"].to_pylist()
    for i, name in enumerate(joined.names):
        assert (joined.alone[i], joined.shapley[i]) == (rows[name]["alone"], rows[name]["shapley"])
        assert rows[name]["greedy_step"] == joined.greedy.index(i) + 1
    matrix = {(row["contributor"], row["other"]): row["redundancy"] for row in found.redundancy.to_pylist()}
    for i, j in combinations(range(12), 2):
        expected = matrix[tuple(sorted((joined.names[i], joined.names[j])))]
        assert joined.redundancy[i, j] == joined.redundancy[j, i] == expected
    assert not joined.redundancy.diagonal().any()
    assert shapley_ranks(found.coalitions) == dict(zip(joined.names, joined.shapley_ranks, strict=True))
    best = max(rows.values(), key=lambda row: row["alone"])
    assert (joined.names[joined.greedy[0]], joined.greedy_values[0]) == (best["contributor"], best["alone"])


def test_cover_is_the_share_that_the_other_brings_as_well(both):
    """Against v(N - j) - v(N - i - j) and v(N) - v(N - i), from the game itself."""
    from coalition_run import make_game

    joined, game = aligned(*both), make_game(12)
    place = [NAMES.index(name) for name in joined.names]

    def without(*who):
        return game.value(~np.isin(np.arange(12), [place[i] for i in who]))

    for i, j in ((0, joined.names.index("wiki-mix")), (3, 4)):
        missed, now = without(j) - without(i, j), without() - without(i)
        shared = missed - now
        cover = joined.cover(i, j)
        assert cover == pytest.approx(shared / missed) if shared > joined.negligible else cover is None
    assert joined.substitutes(0, 1) == [joined.names.index("wiki-mix")]


def test_a_run_without_has_no_section_and_nobody_is_no_error():
    results = make_results(NAMES)
    assert "h-coalitions" not in report(results)
    assert coalition_values(results.ranking, None, None) is None
    assert coalition_values(results.ranking, COALITIONS.empty_table(), REDUNDANCY.empty_table()) is None


def test_tables_that_do_not_fit_are_refused(both):
    results, found = both
    with pytest.raises(ContractError, match="found one"):
        coalition_values(results.ranking, found.coalitions, None)
    stranger = pa.Table.from_pylist([found.coalitions.to_pylist()[0] | {"contributor": "zoo"}], schema=COALITIONS)
    with pytest.raises(ContractError, match="'zoo', which has no rank"):
        coalition_values(results.ranking, stranger, REDUNDANCY.empty_table())
    with pytest.raises(ContractError, match="a row for every pair, found none for"):
        coalition_values(results.ranking, found.coalitions, found.redundancy.slice(1))
    with pytest.raises(ContractError, match="one row per contributor, found 24 rows for 12"):
        coalition_values(results.ranking, pa.concat_tables([found.coalitions] * 2), found.redundancy)
    with pytest.raises(ContractError, match=r"expected `coalitions` in manifest\.json"):
        report(make_results(NAMES), found)


def test_clusters_bring_substitutes_side_by_side():
    rng = np.random.default_rng(0)
    groups = rng.permutation(np.repeat(np.arange(8), 8))  # 64 contributors in 8 groups of substitutes
    noise = rng.uniform(0, 0.01, (64, 64))
    order = clustered((groups[:, None] == groups) * 0.5 + noise + noise.T - np.eye(64))
    assert sorted(order) == list(range(64))
    assert (np.diff(groups[order]) != 0).sum() == 7  # every group in one piece
    assert order.index(0) < 32
    assert clustered(np.zeros((2, 2))) == [0, 1]
    assert sorted(clustered(np.zeros((5, 5)))) == list(range(5))


def test_the_heat_map_shows_each_pair_where_its_names_stand(both, text):
    joined = aligned(*both)
    order = clustered(joined.redundancy)
    decimals = coalition_view.scale_of(joined, None, value_decimals(both[0].ranking)).adds
    strongest = np.abs(joined.redundancy).max()
    drawn = {(int(i), int(j)): rest for i, j, *rest in re.findall(CELL, text, re.DOTALL)}
    expected = [p for p in combinations(range(12), 2) if abs(joined.redundancy[order[p[1]], order[p[0]]]) >= BLANK * strongest]
    assert set(drawn) == {(i, j) for j, i in expected}
    for (i, j), (names, number, shape) in drawn.items():
        opacity = re.search(r"opacity: ([\d.]+)", shape) or ["", "1"]
        shared = joined.redundancy[order[i], order[j]]
        assert html.unescape(names) == f"{joined.names[order[i]]}, {joined.names[order[j]]}"
        assert number == signed(shared, decimals)
        assert float(opacity[1]) == pytest.approx(np.sqrt(abs(shared) / strongest), abs=1e-3)
    chart = re.search(r'<svg[^>]*data-chart="redundancy" data-layout="wide".*?</svg>', text, re.DOTALL)[0]
    written = re.findall(r"<text[^>]*>([^<]+)</text>", chart)
    assert written == [joined.names[place] for place in order] * 2  # rows, then columns


def test_tables_have_every_number(both, text):
    joined = aligned(*both)
    scale = coalition_view.scale_of(joined, None, value_decimals(both[0].ranking))
    lines = cells(text, "coalitions")
    assert [line[0] for line in lines] == list(joined.names)
    for i, (_, rank, shapley, without, alone, step, coalition) in enumerate(lines):
        assert (int(rank), shapley) == (joined.shapley_ranks[i], fixed(joined.shapley[i], scale.adds))
        loss, half = (fixed(number, scale.adds) for number in (joined.leave_one_out[i], 1.96e-4))
        assert (without, alone) == (f"{loss} ± {half}", fixed(joined.alone[i], scale.value))
        assert coalition == fixed(joined.greedy_values[int(step) - 1], scale.value)
    pairs = cells(text, "redundancy")
    assert len(pairs) == 60
    assert "6 weaker pairs are in redundancy.parquet" in text
    assert {"news-agency", "wiki-mix"} == set(pairs[0][:2])
    assert {"small-lab", "mono-synth"} & set(pairs[-1][:2])
    numbers = [float(pair[2].split(" ± ")[0].replace("\u2212", "-")) for pair in pairs]
    assert numbers == sorted(numbers, reverse=True)


def test_sentences_say_who_stands_in_and_where_adding_stops(both, text):
    results, found = both
    words = " ".join(section(text).split())
    joined, account = aligned(results, found), found.account
    assert "news-agency and wiki-mix are redundant: without both, all together would lose" in words
    assert "are worth more together" in words
    assert f"All {account.n_contributors} contributors with a value are included." in words
    assert "exact, from all coalitions; 4,096 coalitions of contributors were valued in 12.4 s." in words
    gains = np.diff([0.0, *joined.greedy_values])
    assert all(gain > joined.negligible for gain in gains[: joined.clear_steps])
    assert joined.clear_steps == 12
    assert f"adding the best next contributor: {joined.names[joined.greedy[0]]}, " in re.sub(r"</?bdi>", "", words)


@pytest.mark.parametrize("error", [None, 10.0])
def test_differences_within_their_uncertainty_are_not_told(error):
    results = make_results(NAMES)
    found = make_coalitions(NAMES, error=error)
    words = " ".join(section(report(with_coalitions(results, found), found)).split())
    for claim in (
        "are redundant: without",
        "worth more together: without",
        "would be higher without",
        "the best next contributor:",
    ):
        assert claim not in words
    told = "the uncertainty of what contributors add to others is not known" if error is None else "not even the best first"
    assert told in words


def test_a_search_that_ends_early_and_a_harmful_one_are_said():
    results = make_results(NAMES)
    found = make_coalitions(NAMES, steps=5)
    rows = found.coalitions.to_pylist()
    rows[3]["leave_one_out"] = -0.2
    found = type(found)(pa.Table.from_pylist(rows, schema=COALITIONS), found.redundancy, found.account)
    words = " ".join(section(report(with_coalitions(results, found), found)).split())
    assert "The value of all together would be higher without forum-2024." in words
    assert re.search(
        r"value together [\d.]+\. Other orders may do as well\. All 12 together have value [\d.]+\.",
        re.sub(r"</?p>", "", words),
    )


def test_sampled_values_have_intervals_and_their_convergence():
    names = tuple(f"c-{index:02d}" for index in range(20))
    results, found = make_both(names, n_left_out=3)
    text = report(results, found)
    joined = aligned(results, found)
    half = coalition_view.half_widths(joined, 0.95)
    np.testing.assert_allclose(half, 1.959964 * joined.shapley_errors, rtol=1e-6)
    assert cells(text, "coalitions")[4][3] == f"± {fixed(half[4], coalition_view.scale_of(joined, None, 3).adds)}"
    assert len(re.findall(r'id="additions-wide-interval-\d+"', text)) == 17
    words = " ".join(section(text).split())
    assert "The 17 contributors with the highest values are included; 3 other contributors are not." in words
    assert re.search(r"largest standard error was 0\.0\d+ after 4 orders and is 0\.0\d+ after 128\.", words)


@pytest.mark.parametrize("names", [("solo",), ("a", "b"), ("<script>alert(1)</script>", "x" * 300, "مساهم\u202e", "$x^2$")])
def test_any_names_and_sizes_render(names):
    results, found = make_both(names)
    text = report(results, found)
    assert "<script>" not in text
    assert "\u202e" not in text
    assert ('data-chart="redundancy"' in text) == (len(names) > 1)
    assert text.count('data-chart="greedy"') == 2 * is_ordered(results.ranking)
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert "#00000" not in text
    assert report(results, found) == text


def test_the_account_survives_the_manifest_and_old_manifests_open(both):
    manifest = both[0].manifest
    assert read_manifest(manifest.to_json(), "run").coalitions == both[1].account
    old = make_results(NAMES).manifest.model_dump(mode="json")
    del old["coalitions"]
    old["schema_version"] = 6  # before manifests were sealed
    assert read_manifest(json.dumps(old), "run").coalitions is None
