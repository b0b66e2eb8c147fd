"""Settings of kernels: what they choose is what runs, which one a processor is given, and how outcomes are counted and kept."""

from __future__ import annotations

import json
import os
from pathlib import Path

import psutil
import pytest

from benchmarks import figures
from benchmarks.house import kernels

AVX2, AVX512 = frozenset({"sse2", "avx2"}), frozenset({"sse2", "avx2", "avx512f", "avx512vl"})
REPORT = """
<testsuites><testsuite name="pytest">
  <testcase classname="tests.a" name="test_one" time="0.1"/>
  <testcase classname="tests.a" name="test_two" time="0.1"><failure message="assert">trace</failure></testcase>
  <testcase classname="tests.b" name="test_three[x]" time="0.1"><error message="setup">trace</error></testcase>
  <testcase classname="tests.b" name="test_four" time="0.0"><skipped/></testcase>
</testsuite></testsuites>
"""


def test_every_kernel_meets_two_of_torchs_and_both_numbers_of_threads() -> None:
    for coretype in ("Haswell", "SkylakeX", "Zen"):
        own = [one for one in kernels.SETTINGS.values() if one.coretype == coretype]
        assert len({one.capability for one in own}) == 2
        assert {one.threads for one in own} == {1, 2}
    for capability in ("default", "avx2", "avx512"):
        assert {one.threads for one in kernels.SETTINGS.values() if one.capability == capability} == {1, 2}


@pytest.mark.parametrize(
    ("openblas", "capability", "flags", "wanted"),
    [
        ("SkylakeX", "avx512", AVX512, "haswell-default-1"),
        ("Haswell", "avx512", AVX512, "skylakex-avx2-1"),
        ("Haswell", "avx2", AVX2, "nehalem-default-2"),
    ],
)
def test_another_kernel_is_one_that_the_processor_has(
    openblas: str, capability: str, flags: frozenset[str], wanted: str
) -> None:
    assert kernels.other_than({"openblas": [openblas], "torch": capability}, flags).name == wanted
    assert kernels.runs_here(kernels.SETTINGS[wanted], flags)


def test_what_a_setting_chooses_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")  # of the caller, and not of the setting
    asked = kernels.environment_of(kernels.SETTINGS["nehalem-default-2"])
    assert kernels.in_use(asked) == {"openblas": ["Nehalem"], "torch": "default", "threads": 2}
    assert "OPENBLAS_CORETYPE" not in kernels.environment_of(kernels.SETTINGS["loaded"])


def test_what_is_left_out_is_there_to_be_left_out() -> None:
    assert all(file.startswith(kernels.NUMERIC) and (kernels.ROOT / file).is_file() for file in kernels.WITHOUT_NUMBERS)


def test_failures_and_errors_are_counted_by_name(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text(REPORT)
    found = kernels.counted(tmp_path / "junit.xml")
    assert found == kernels.Outcome(1, ("tests.a::test_two", "tests.b::test_three[x]"))


def test_a_load_is_so_many_processes_and_ends() -> None:
    before = set(psutil.Process().children())
    with kernels.load(2):
        assert len(set(psutil.Process().children()) - before) == 2 * len(os.sched_getaffinity(0))
    assert set(psutil.Process().children()) <= before


def test_a_setting_replaces_its_own_figures_and_runs_are_counted_over_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "RESULTS", tmp_path)
    haswell, loaded = kernels.SETTINGS["haswell-avx512-2"], kernels.SETTINGS["loaded"]
    figures.write_by_name("house", [figures.figure("others", 3, "-", "1", "another command")])
    for setting, outcome in (
        (haswell, kernels.Outcome(8, ("tests.a::test_two",))),
        (loaded, kernels.Outcome(9, ())),
        (haswell, kernels.Outcome(9, ())),
    ):
        file = figures.write_by_name("house", kernels.figures_of(setting, outcome))
    held = json.loads(file.read_text())
    assert {one["name"]: one["figure"] for one in held} == {
        "others": 3,
        "numeric tests passed, haswell-avx512-2": 9,
        "numeric tests failed, haswell-avx512-2": 0,
        "numeric tests passed, loaded": 9,
        "numeric tests failed, loaded": 0,
    }
    assert [one["figure"] for one in kernels.run_figures(held)] == [2, 0]
