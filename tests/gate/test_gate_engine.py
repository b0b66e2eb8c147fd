"""The door to Great Expectations: right rows, errors reported apart, safe in threads, imported late."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest

from mixval.gate.checks import must_be_in, must_be_there, must_be_true, must_lie
from mixval.gate.engine import KNOWN, great_expectations, inspect
from mixval.gate.findings import row_findings
from mixval.gate.tally import SuiteTally

CHECKS = [
    must_lie("size", "drop", "column 'size' must be 1 to 3", "Mend it.", 1, 3),
    must_be_there("size", "drop", "column 'size' must not be null", "Mend it."),
    must_be_in("word", ["a", "b"], "warn", "column 'word' must be a or b", "Mend it."),
    must_be_true("fine", "reject", "rows must be fine", "Mend it."),
]


def frame():
    return pd.DataFrame(
        {
            "size": [0.0, 1.0, 3.0, 3.5, np.nan],
            "word": pd.Series(["a", "c", None, "b", "C"], dtype=object),
            "fine": pd.Series([True, None, False, True, True], dtype=object),
        }
    )


def test_failing_rows_and_counts_in_the_suites_order():
    found = inspect(CHECKS, frame())
    assert [item.failed.tolist() for item in found] == [[0, 3], [4], [1, 4], [2]]
    assert [item.n_checked for item in found] == [4, 5, 4, 4]
    assert [item.error for item in found] == [None] * 4
    assert [item.config["severity"] for item in found] == ["warning", "warning", "info", "critical"]


@pytest.mark.parametrize("n", [0, 3])
def test_nothing_to_check_is_met(n):
    empty = pd.DataFrame({"size": np.full(n, np.nan), "word": pd.Series([None] * n, dtype=object)})
    found = inspect([CHECKS[0], CHECKS[2]], empty)
    assert [(item.n_checked, len(item.failed), item.error) for item in found] == [(0, 0, None)] * 2


def test_what_cannot_be_computed_is_an_error_and_rejects():
    data = frame().assign(size="wide")
    found = inspect([CHECKS[0], must_be_there("nowhere", "drop", "column 'nowhere' must be there", "Add it.")], data)
    assert all(item.error for item in found)
    assert "nowhere" in str(found[1].error)
    suite = SuiteTally("rows", 5)
    suite.add(found, data, np.arange(5))
    findings = row_findings(suite, "contributor 'x'", ["a.parquet"])
    assert [finding.severity for finding in findings] == ["reject", "reject"]
    assert "could not compute this" in findings[1].message
    assert not suite.validation("x")["success"]


def test_threads_do_not_mix_verdicts():
    def job(i):
        data = pd.DataFrame({"size": np.full(5, 2.0 if i % 2 else 9.0)})
        return [len(inspect([CHECKS[0]], data)[0].failed) for _ in range(2)] == ([0, 0] if i % 2 else [5, 5])

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(job, range(12))) == [True] * 12


def test_equal_checks_of_another_frame_are_computed_anew():
    inspect(CHECKS, frame())
    other = frame().iloc[::-1].reset_index(drop=True).assign(size=[1.0, 9.0, 2.0, np.nan, np.nan])
    assert [item.failed.tolist() for item in inspect(CHECKS, other)] == [[1], [3, 4], [0, 3], [2]]


def test_values_that_are_equal_and_of_other_types_are_other_checks():
    data = pd.DataFrame({"word": pd.Series(["1", 1], dtype=object)})
    found = [inspect([must_be_in("word", values, "drop", "it must be one", "Mend it.")], data)[0] for values in ([1], ["1"])]
    assert [one.failed.tolist() for one in found] == [[0], [1]]


def test_the_gate_imports_without_great_expectations():
    code = "import sys, mixval.gate.check, mixval.gate.docs, mixval.gate.shared; print('great_expectations' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


def test_an_expectation_is_described_once_and_others_as_before(monkeypatch):
    KNOWN.forget()
    owner, described = great_expectations().expectations.Expectation, []
    anew = owner.configuration.fget

    def counted(expectation):
        described.append(expectation)  # which keeps it, so that no other has its id
        return anew(expectation)

    watched = property(counted)
    monkeypatch.setattr(owner, "configuration", watched)
    found = inspect(CHECKS, frame())
    assert len({id(one) for one in described}) == len(described) > len(CHECKS)
    assert [item.failed.tolist() for item in found] == [[0, 3], [4], [1, 4], [2]]
    assert owner.configuration is watched
