"""A fifth term, added by its spec and its measurements alone, stands wherever the four do; and is gone without a trace."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from benchmarks.plain_stages import gate_here
from mixval.contracts.results import ranking_schema
from mixval.contracts.terms import TERMS, TermSpec
from mixval.errors import ConfigError, ContractError
from mixval.publish.explain import explain, explanation_text
from mixval.publish.stored_run import StoredRun, open_run
from mixval.publish.terminal import print_ranking
from mixval.stages.coalitions import CoalitionResults, coalition_job, coalition_steps, coalition_tables
from mixval.stages.in_process import value_gated
from mixval.stages.jobs import MeasureJob
from mixval.stages.measured import Masks, Measured
from mixval.stages.measurements import COALITION_MEASUREMENTS, MEASUREMENTS, register_term
from mixval.stages.publishing import RunAccount, publish
from mixval.stages.runs import ValuedRun
from mixval.stages.statistics import read_statistics, statistics_ref
from mixval.stages.steps import make_here
from mixval.storage.pointer import read_latest
from mixval.storage.root import open_location
from tests.worlds import planted

LENGTH = TermSpec(
    name="length",
    label="Length",
    unit="tokens",
    sentence="mean number of predicted tokens a row",
    lever="shorter rows",
    light="#112233",
    dark="#ddeeff",
    rows="read",
)
FOUR = ("loss", "discrepancy", "ntk", "composition")
EXACT: dict[str, Any] = {"method": "exact"}
SKETCHED: dict[str, Any] = {"method": "sketched", "sketch_features": 64}
EQ_8 = {"method": "eq8", "weights": "equal-z", "uninformative": "keep", "replicates": 8, "coalitions": 16}


def mean_length(job: MeasureJob, counts: np.ndarray) -> Measured:
    """From (N,) tokens of rows."""
    error = float(counts.std(ddof=1) / np.sqrt(len(counts)))
    return Measured(float(counts.mean()), np.zeros(job.value.replicates), len(counts), error, {"longest": counts.max()})


def summed_length(job: MeasureJob, _: MeasureJob, by_part: Any) -> Measured:
    tokens, n = sums(by_part)
    return Measured(tokens / n, np.zeros(job.value.replicates), n, None, {})


def sums(by_part: Any) -> tuple[float, int]:
    return sum(one.losses.estimate("token").total_count for one in by_part.values()), sum(one.n for one in by_part.values())


def length_of_coalitions(jobs: Sequence[MeasureJob], target: MeasureJob) -> Callable[[Masks], float]:
    tokens, rows = np.array([sums(read_statistics(job, statistics_ref(job, target))) for job in jobs]).T
    return lambda members: float(tokens[members].sum() / rows[members].sum())


@contextmanager
def fifth_term() -> Iterator[None]:
    """The term and what measures it, within a block."""
    by_route = {"exact": lambda job, _, stored: mean_length(job, stored[0]["counts"]), "sketched": summed_length}
    with register_term(LENGTH, by_route, length_of_coalitions):
        yield


@pytest.fixture
def fifth() -> Iterator[None]:
    """The same, for a test."""
    with fifth_term():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One place for the runs with the term: what the gate finds of the same rows is found once."""
    return tmp_path_factory.mktemp("fifth")


@pytest.fixture(scope="module")
def by_exact(folder: Path) -> tuple[ValuedRun, StoredRun]:
    """The exact run with the term, which tests read."""
    with fifth_term():
        return run(folder)


def run(folder: Path, ntk: dict[str, Any] = EXACT, **value: Any) -> tuple[ValuedRun, StoredRun]:
    """A small valuation with values of coalitions where there are some, published, and read back."""
    config = planted(folder, "language-modelling").config(ntk=ntk, value=EQ_8 | value)
    made = value_gated(gate_here(config))
    work, coalition_results = coalition_job(config, made.jobs, made.prepared.target_job, made.reduced), None
    if work is not None:
        for step in coalition_steps(work):
            make_here(step)
        coalition_results = coalition_tables(work, made.outcomes)
        assert isinstance(coalition_results, CoalitionResults)
    latest = read_latest(open_location(config.output))
    account = RunAccount(datetime.now(UTC), {}, {}, {}, [], list(made.terms.values()), made.gate_refs)
    by_part = publish(config, made.prepared, list(made.outcomes.values()), made.reduced, account, latest, coalition_results)
    return made, open_run(by_part.url)


def column(stored: StoredRun, name: str) -> dict[str, float]:
    return dict(zip(stored.ranking["contributor"].to_pylist(), stored.ranking[name].to_pylist(), strict=True))


def bytes_a_row(folder: Path, contributor: str) -> float:
    """Mean bytes of a contributor's texts, none of which is cut: a byte is a token, and each of them is predicted."""
    with pq.ParquetFile(folder / "source" / f"contributor={contributor}" / "part-0.parquet") as file:
        return float(np.mean([len(text.encode()) for text in file.read(["text"])["text"].to_pylist()]))


def printed(stored: StoredRun, width: int) -> str:
    text = io.StringIO()
    print_ranking(stored, Console(file=text, width=width))
    return text.getvalue()


@pytest.mark.usefixtures("fifth")
@pytest.mark.parametrize("ntk", [EXACT, SKETCHED])
def test_it_is_measured_weighed_and_published(ntk: dict[str, Any], by_exact: tuple[ValuedRun, StoredRun], folder: Path) -> None:
    made, stored = by_exact if ntk is EXACT else run(folder, ntk)
    of_terms = [name for name in stored.ranking.schema.names if name.removeprefix("weighted_") in TERMS]
    assert of_terms == [*FOUR, "length", *(f"weighted_{term}" for term in (*FOUR, "length"))]
    assert stored.ranking.schema.field("length").metadata == {b"unit": b"tokens", b"description": LENGTH.sentence.encode()}
    assert column(stored, "length") == pytest.approx({name: bytes_a_row(folder, name) for name in made.values}, rel=1e-12)
    known = {row["contributor"]: row for row in stored.terms.to_pylist() if row["term"] == "length"}
    assert known.keys() == made.values.keys()
    assert {name: row["estimate"] for name, row in known.items()} == column(stored, "length")
    assert {name: row["n"] for name, row in known.items()} == column(stored, "n_rows")
    terms = np.array([row[term] for row in stored.ranking.to_pylist() for term in TERMS]).reshape(-1, len(TERMS))
    expected = -(terms - terms.mean(axis=0)) / terms.std(axis=0, ddof=1) / len(TERMS)
    shown = [[row[f"weighted_{term}"] for term in TERMS] for row in stored.ranking.to_pylist()]
    np.testing.assert_allclose(shown, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose([*column(stored, "value").values()], expected.sum(axis=1), rtol=1e-9, atol=1e-12)
    assert np.ptp(expected[:, -1]) > 0.1
    assert stored.manifest.weights.values["length"] > 0
    if ntk is SKETCHED:
        assert stored.coalitions is not None
        alone = dict(zip(stored.coalitions["contributor"].to_pylist(), stored.coalitions["alone"].to_pylist(), strict=True))
        # The sketch's bias stays in a coalition's NTK term; all else of one contributor alone is the contributor's own.
        weight, own = stored.manifest.weights.values["ntk"], column(stored, "value")
        as_sketched = {name: made.jobs[name].store.read_tensors(ref)["ntk_as_sketched"][0] for name, ref in made.terms.items()}
        ntk_terms = column(stored, "ntk")
        for name, found in alone.items():  # sufficient statistics are stored in float32
            assert found == pytest.approx(own[name] - weight * (as_sketched[name] - ntk_terms[name]), rel=1e-5)


@pytest.mark.usefixtures("fifth")
def test_it_stands_in_every_file_and_view(by_exact: tuple[ValuedRun, StoredRun]) -> None:
    _, stored = by_exact
    text = {name: stored.folder.child(name).read_bytes().decode() for name in ("ranking.csv", "ranking.md", "report.html")}
    [header, *lines] = csv.reader(io.StringIO(text["ranking.csv"]))
    assert [float(line[header.index("length")]) for line in lines] == [*column(stored, "length").values()]
    assert "| length |" in text["ranking.md"]
    page, n = text["report.html"], stored.ranking.num_rows
    assert [f"--term-length: {colour}" in page for colour in ("#112233", "#ddeeff")] == [True, True]
    assert page.count('<span class="swatch" style="--swatch: var(--term-length)"></span>Length') == 2  # the key, and its weight
    assert all(page.count(f'id="shares-{layout}-part-length-{n - 1}"') == 1 for layout in ("wide", "narrow"))
    assert all(f'id="terms-wide-points-{against}-length"' in page for against in ("real_share", "n_rows"))
    assert 'colspan="5"' in page
    assert "loss, discrepancy, NTK, composition and length against" in page
    assert "#0001" not in page
    for width in (200, 90):
        assert re.search(r"loss +discrepancy +ntk +composition +length ", printed(stored, width))
    last = stored.ranking["contributor"].to_pylist()[-1]
    found = explain(stored.ranking, stored.terms, stored.rejected, last, stored.manifest.warnings)
    assert [entry.term for entry in found.contributions] == [*FOUR, "length"]
    assert f"\n  {'length':<12} " in explanation_text(found)
    assert [part.n for part in found.parts if part.term == "length"] == [column(stored, "n_rows")[last]]


@pytest.mark.usefixtures("fifth")
def test_the_lever_is_the_spec_s_own(by_exact: tuple[ValuedRun, StoredRun]) -> None:
    _, stored = by_exact
    longest = max(column(stored, "length").items(), key=lambda pair: pair[1])[0]
    at = stored.ranking.schema.get_field_index("weighted_length")
    parts = [-9.0 if name == longest else 0.0 for name in stored.ranking["contributor"].to_pylist()]
    ranking = stored.ranking.set_column(at, stored.ranking.schema.field(at), [parts])
    sure = [0.0 if row["term"] == "length" else row["standard_error"] for row in stored.terms.to_pylist()]
    at = stored.terms.schema.get_field_index("standard_error")
    terms = stored.terms.set_column(at, stored.terms.schema.field(at), [sure])
    helped = explain(ranking, terms, stored.rejected, longest).would_help_most
    assert helped is not None
    assert helped.startswith("The length term costs it most.")
    assert helped.endswith("What improves this term: shorter rows.")


@pytest.mark.usefixtures("fifth")
def test_weights_that_do_not_know_it_are_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"weights: shipped: expected a number for each of .*, found none for 'length'"):
        run(folder, weights="shipped")
    published = run(folder, weights="published")[1].manifest.weights.values
    assert published == {"loss": 0.5, "discrepancy": 0.5, "ntk": 0.0, "composition": 0.0, "length": 0.0}


def test_a_route_that_cannot_measure_it_is_refused_before_anything_is_measured(
    tmp_path: Path,
) -> None:
    with register_term(LENGTH, {"exact": lambda job, *_: mean_length(job, np.ones(2))}):
        with pytest.raises(ConfigError, match=r"term 'length': .*`ntk.method: sketched`, found none. Set .* exact"):
            run(tmp_path, SKETCHED)
        del MEASUREMENTS[LENGTH.name]
        with pytest.raises(ConfigError, match=r"term 'length': .*`ntk.method: exact`, found none. Add one"):
            run(tmp_path)
    assert not [*tmp_path.rglob("artifacts/forward")]


def test_with_it_no_other_term_moves_and_without_it_nothing_is_left_of_it(tmp_path: Path) -> None:
    columns, (made, before) = ranking_schema(), run(tmp_path)
    folders = sorted(tmp_path.rglob("artifacts/*/*"))
    with fifth_term():
        again, stored = run(tmp_path)
    for term in FOUR:
        assert column(stored, term) == column(before, term)
    # Terms are told anew, from the passes that are there.
    assert {path.parent.name for path in {*tmp_path.rglob("artifacts/*/*")} - {*folders}} == {"terms"}
    assert {ref.fingerprint for ref in made.terms.values()}.isdisjoint(ref.fingerprint for ref in again.terms.values())
    assert stored.manifest.fingerprint != before.manifest.fingerprint
    assert ranking_schema().equals(columns, check_metadata=True)
    assert LENGTH.name not in {*MEASUREMENTS, *COALITION_MEASUREMENTS}
    after = run(tmp_path)[1]
    assert after.manifest.fingerprint == before.manifest.fingerprint
    assert after.ranking.equals(before.ranking)
    with pytest.raises(ContractError, match="column 'length' is not expected"):
        open_run(stored.folder.url)


@pytest.mark.parametrize(("name", "fault"), [("loss", "twice"), ("Loss", "a-z"), ("a b", "a-z"), ("", "a-z"), ("1st", "a-z")])
def test_a_name_that_makes_no_column_of_its_own_is_refused(name: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault), register_term(TermSpec(**{**vars(LENGTH), "name": name}), {}):
        pytest.fail("the term was taken")
    assert tuple(TERMS) == FOUR
