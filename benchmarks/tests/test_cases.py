"""Checks of cases: each complains where the answer is wrong, and takes every way in which it is right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from benchmarks.cases import checks
from benchmarks.cases.__main__ import complaint
from benchmarks.cases.listed import CASES, PREPARED
from benchmarks.cases.run import Case, Ran

RANKED = Ran(
    0, "", {"amber": -0.5, "birch": -0.6}, {"amber": 30, "birch": 29}, {"cedar": "found role 'gpt'"}, {"birch": "trimmed"}
)
FAILED = Ran(4, "TargetError: labels from 0 up were expected, found -1", {}, {}, {}, {})


@pytest.fixture
def case(tmp_path: Path) -> Case:
    for name in ("amber", "birch", "cedar"):
        (tmp_path / "case" / "contributors" / name).mkdir(parents=True)
    return Case(tmp_path / "case", is_here=True)


@pytest.mark.parametrize(
    ("check", "ran", "is_right"),
    [
        (checks.told(cedar=("'gpt'",)), RANKED, True),
        (checks.told(cedar=("'model'",)), RANKED, False),
        (checks.told(birch=("trimmed",)), RANKED, False),  # then cedar has no value
        (checks.told(cedar=("'gpt'",)), FAILED, False),
        (checks.rows_of(amber=30, birch=29), RANKED, True),
        (checks.rows_of(amber=30, birch=30), RANKED, False),
        (checks.rows_of(cedar=30), RANKED, False),
        (checks.same("amber", "birch"), RANKED, False),
        (checks.same("amber", "birch"), replace(RANKED, values={"amber": -0.5, "birch": -0.5 + 1e-9}), True),
        (checks.same("amber", "cedar"), RANKED, False),
        (checks.refused("-1"), FAILED, True),
        (checks.refused("-1"), RANKED, False),
        (checks.refused("-1"), replace(FAILED, words="Traceback ... found -1"), False),
        (checks.either(checks.refused("-1"), checks.rows_of(amber=30)), RANKED, True),
        (checks.both(checks.refused("-1"), checks.rows_of(amber=30)), FAILED, False),
    ],
)
def test_a_check_complains_where_the_answer_is_wrong(check: checks.Check, ran: Ran, is_right: bool, case: Case) -> None:
    assert (check(case, ran) is None) == is_right


def test_values_differ_by_contributor_and_by_number() -> None:
    expected = {"amber": -0.5}
    assert checks.differing({"amber": -0.5}, expected) is None
    assert "amber" in (checks.differing({"amber": -0.51}, expected) or "")
    assert "birch" in (checks.differing({"birch": -0.5}, expected) or "")
    assert "nobody" in (checks.differing({}, expected) or "")
    assert checks.differing({}, {}) is not None, "two runs without a value agree on nothing"
    assert checks.differing({"amber": float("nan")}, expected) is not None


def test_turns_and_labels_are_spelt_plainly() -> None:
    plain = checks.cells("turns", checks.turns({"gpt": "assistant"}, "from", "value"))
    table = plain(pa.table({"turns": [[{"from": "gpt", "value": "yes"}]], "origin": ["real"]}))
    assert table["turns"].to_pylist() == [[{"role": "assistant", "content": "yes"}]]
    info = b'{"info": {"features": {"label": {"names": ["pos", "neg"]}}}}'
    labels = pa.table({"label": [0, 1]}).replace_schema_metadata({"huggingface": info})
    assert checks.same_labels(labels)["label"].to_pylist() == [1, 0]


def test_a_case_is_made_by_its_script_and_one_without_a_check_is_wrong(tmp_path: Path) -> None:
    source = tmp_path / "cases" / "missing-target"
    source.mkdir(parents=True)
    (source.parent / "lib.py").write_text("CONFIG = 'task: text-classification\\noutput: ./out\\n'\n", encoding="utf-8")
    (source / "make.py").write_text("from lib import CONFIG\nopen('mixval.yaml', 'w').write(CONFIG)\n", encoding="utf-8")
    assert complaint(source, checks.refused("ConfigError", "source"), is_here=True) is None
    assert "expected a check" in (complaint(source, None, is_here=True) or "")
    assert not (source / "mixval.yaml").exists()


def test_what_is_prepared_is_checked() -> None:
    assert PREPARED.keys() <= CASES.keys()
