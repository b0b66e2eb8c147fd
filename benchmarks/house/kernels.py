"""The numeric tests under other kernels, with other numbers of threads, and on a machine that has more work than cores.

    python -m benchmarks.house.kernels                         every setting, one after another
    python -m benchmarks.house.kernels zen-avx2-2 loaded       these
    python -m benchmarks.house.kernels --other                 one that differs from what this machine takes; writes nothing

Four libraries round in their own ways, each with kernels by processor, and each has a variable that chooses another one:

    numpy and scipy    an OpenBLAS each         OPENBLAS_CORETYPE
    numpy              its own loops            NPY_DISABLE_CPU_FEATURES
    torch              its own loops, oneDNN    ATEN_CPU_CAPABILITY, ONEDNN_MAX_CPU_ISA
    torch              MKL                      MKL_ENABLE_INSTRUCTIONS, MKL_CBWR

The second of a setting's three words, `default`, `avx2` or `avx512`, is that of torch's loops; the other libraries but OpenBLAS
follow it. MKL heeds MKL_ENABLE_INSTRUCTIONS on Intel's processors alone, and MKL_CBWR=COMPATIBLE on all. The builds of OpenBLAS
in numpy's and scipy's wheels have no kernels for Zen and take Haswell's: so Nehalem's, which know no AVX, stand in as a third.

What really ran is asked of the libraries, and printed. Results go to `benchmarks/results/house.json`, by setting.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from benchmarks.figures import RESULTS, Figure, figure, write_by_name

ROOT = Path(__file__).parents[2]
COMMAND = "python -m benchmarks.house.kernels"
NUMERIC = ("tests/terms", "tests/valuation", "tests/stages", "tests/models", "tests/evidence")
"""Where numbers are computed and compared. The other tests read, write, start and publish; flows repeat the stages' numbers."""
WITHOUT_NUMBERS = (
    "tests/evidence/test_evidence_calibration_words.py",
    "tests/evidence/test_evidence_table_page.py",
    "tests/models/test_models_chat.py",
    "tests/models/test_models_hub.py",
    "tests/models/test_models_output_names.py",
    "tests/models/test_models_tensors.py",
    "tests/models/test_models_time_limit.py",
    "tests/models/test_models_tokenizers.py",
    "tests/stages/test_stages_changed.py",
    "tests/stages/test_stages_corpus.py",
    "tests/stages/test_stages_damage.py",
    "tests/stages/test_stages_deciding.py",
    "tests/stages/test_stages_failures.py",
    "tests/stages/test_stages_fingerprint.py",
    "tests/stages/test_stages_footprint.py",
    "tests/stages/test_stages_gpu.py",
    "tests/stages/test_stages_ingesting.py",
    "tests/stages/test_stages_ingesting_messages.py",
    "tests/stages/test_stages_ingesting_once.py",
    "tests/stages/test_stages_ingesting_s3.py",
    "tests/stages/test_stages_kept.py",
    "tests/stages/test_stages_pacing.py",
    "tests/stages/test_stages_planning.py",
    "tests/stages/test_stages_published.py",
    "tests/stages/test_stages_result_tables.py",
    "tests/stages/test_stages_routes.py",
    "tests/stages/test_stages_unions.py",
    "tests/stages/test_stages_unread.py",
    "tests/terms/ntk/test_ntk_gpu.py",
)
"""Files in there about files, words, pages, policies, plans and devices, which no kernel changes: `make test` runs them once,
and that is enough. The gate's driver decides there by the numbers of `test_stages_marginal.py`, far from any limit."""
OVERLOAD = 4
"""Busy processes by core in the setting `loaded`."""
CHOOSERS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_CBWR")
CHOOSERS += ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS", "NPY_DISABLE_CPU_FEATURES")
LEVELS: dict[str, dict[str, str]] = {
    "default": {
        "MKL_CBWR": "COMPATIBLE",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
    },
    "avx2": {
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    },
    "avx512": {"MKL_ENABLE_INSTRUCTIONS": "AVX512", "ONEDNN_MAX_CPU_ISA": "AVX512_CORE"},
}
"""What follows torch's ATEN_CPU_CAPABILITY, by its value."""
FLAGS = {"SkylakeX": "avx512vl", "Haswell": "avx2", "Zen": "avx2", "avx512": "avx512vl", "avx2": "avx2"}
"""What /proc/cpuinfo must list for a kernel to run. Others run on every x86-64 processor."""
SLEEP = {"OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_THREAD_TIMEOUT": "4"}
"""Threads that wait sleep: two processes of two threads each are more than two cores, and would take them from one another."""
ASK = """
import json, tests  # which sets what the tests run with, unless it is set
import numpy, scipy.linalg, threadpoolctl, torch
pools = threadpoolctl.threadpool_info()
print(json.dumps({
    "openblas": sorted({one["architecture"] for one in pools if one["internal_api"] == "openblas"}),
    "torch": torch.backends.cpu.get_cpu_capability().lower(),
    "threads": torch.get_num_threads(),
}))
"""


@dataclass(frozen=True)
class Setting:
    """Kernels and threads that the tests run with; None is what the machine takes by itself."""

    name: str
    coretype: str | None = None
    capability: str | None = None
    threads: int | None = None
    is_loaded: bool = False

    @property
    def environment(self) -> dict[str, str]:
        """The variables that choose it."""
        chosen = {"OPENBLAS_CORETYPE": self.coretype, "ATEN_CPU_CAPABILITY": self.capability}
        chosen["OMP_NUM_THREADS"] = None if self.threads is None else str(self.threads)
        named = {name: value for name, value in chosen.items() if value is not None}
        return named | LEVELS.get(self.capability or "", {}) | SLEEP


def _setting(coretype: str, capability: str, threads: int) -> Setting:
    return Setting(f"{coretype.lower()}-{capability}-{threads}", coretype, capability, threads)


SETTINGS = {
    one.name: one
    for one in (
        # Each kernel of OpenBLAS with two of torch's and with one and two threads, and the other way round.
        _setting("Haswell", "default", 1),
        _setting("Haswell", "avx512", 2),
        _setting("SkylakeX", "avx2", 1),
        _setting("SkylakeX", "default", 2),
        _setting("Zen", "avx512", 1),
        _setting("Zen", "avx2", 2),
        _setting("Nehalem", "default", 2),
        Setting("loaded", is_loaded=True),
    )
}


@dataclass(frozen=True)
class Outcome:
    """What pytest counted under a setting."""

    passed: int
    failed: tuple[str, ...]
    """Names of the tests that failed or met an error."""


def runs_here(setting: Setting, flags: frozenset[str]) -> bool:
    """Whether a processor with these flags has the instructions."""
    needed = {FLAGS[one] for one in (setting.coretype, setting.capability) if one in FLAGS}
    return needed <= flags


def other_than(own: Mapping[str, object], flags: frozenset[str]) -> Setting:
    """A setting that this processor can run, with another OpenBLAS kernel and another of torch's than its own."""
    taken, capability = own["openblas"], str(own["torch"])
    for one in SETTINGS.values():
        differs = one.coretype not in (None, "Zen") and [one.coretype] != taken and one.capability != capability
        if differs and runs_here(one, flags):
            return one
    raise LookupError(f"expected a setting that differs from {own} on this processor, found none of {list(SETTINGS)}")


def cpu_flags() -> frozenset[str]:
    """Instruction sets of this processor, as Linux names them."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return frozenset(next(line for line in lines if line.startswith("flags")).partition(":")[2].split())


def environment_of(setting: Setting) -> dict[str, str]:
    """This process's environment with the setting's choices in place of all that it holds itself."""
    kept = {name: value for name, value in os.environ.items() if name not in CHOOSERS}
    return kept | setting.environment


def in_use(environment: Mapping[str, str]) -> dict[str, object]:
    """Which kernels and how many threads a test process with this environment takes, as the libraries say."""
    asked = subprocess.run([sys.executable, "-c", ASK], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, object] = json.loads(asked.stdout)
    return found


def tested(setting: Setting, folders: Sequence[str]) -> Outcome:
    """What the tests of the folders come to under the setting, in as many processes as `make test` has."""
    environment = environment_of(setting)
    print(f"{setting.name}: {json.dumps(in_use(environment))}", flush=True)
    with tempfile.TemporaryDirectory() as folder, load(OVERLOAD if setting.is_loaded else 0):
        report = Path(folder) / "junit.xml"
        left_out = [f"--ignore={file}" for file in WITHOUT_NUMBERS]
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--junitxml={report}", *left_out, *folders]
        subprocess.run(command, cwd=ROOT, env=environment, check=False)
        if not report.exists():
            raise RuntimeError(f"expected pytest to report under {setting.name}, found nothing; see its output")
        outcome = counted(report)
    for name in outcome.failed:
        print(f"{setting.name}: failed {name}")
    return outcome


def counted(report: Path) -> Outcome:
    """Passed and failed tests of a JUnit report."""
    cases = list(ElementTree.parse(report).iter("testcase"))
    failed = [one for one in cases if one.find("failure") is not None or one.find("error") is not None]
    skipped = [one for one in cases if one.find("skipped") is not None]
    names = tuple(f"{one.get('classname')}::{one.get('name')}" for one in failed)
    return Outcome(len(cases) - len(failed) - len(skipped), names)


@contextmanager
def load(by_core: int) -> Iterator[None]:
    """So many busy processes by core for as long as the block runs."""
    count = by_core * len(os.sched_getaffinity(0))
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for one in busy:
            one.kill()
            one.wait()


def figures_of(setting: Setting, outcome: Outcome) -> list[Figure]:
    """Passed and failed tests of a setting."""
    command = f"{COMMAND} {setting.name}"
    return [
        figure(f"numeric tests passed, {setting.name}", outcome.passed, "all", "tests", command),
        figure(f"numeric tests failed, {setting.name}", len(outcome.failed), "0", "tests", command),
    ]


def run_figures(held: Sequence[Figure]) -> list[Figure]:
    """How many of the settings that are stored passed whole, and how many did not."""
    failed = [one["figure"] for one in held if one["name"].startswith("numeric tests failed, ")]
    n_failed = sum(bool(count) for count in failed)
    name = "numeric test runs under other kernels"
    return [
        figure(f"{name}, passed", len(failed) - n_failed, str(len(SETTINGS)), "settings", COMMAND),
        figure(f"{name}, failed", n_failed, "0", "settings", COMMAND),
    ]


def main(words: Sequence[str] | None = None) -> None:
    """Run, write, and end with 1 where a test failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", nargs="*", metavar="setting", help=", ".join(SETTINGS))
    parser.add_argument("--other", action="store_true", help="one setting that differs from this machine's own; write nothing")
    given = parser.parse_args(words)
    if unknown := set(given.settings) - set(SETTINGS):
        parser.error(f"expected settings of {', '.join(SETTINGS)}, found {', '.join(sorted(unknown))}")
    flags, all_passed = cpu_flags(), True
    chosen = [SETTINGS[name] for name in given.settings] or list(SETTINGS.values())
    for setting in [other_than(in_use(os.environ), flags)] if given.other else chosen:
        if not runs_here(setting, flags):
            print(f"{setting.name}: left out, this processor lacks the instructions")
            continue
        outcome = tested(setting, NUMERIC)
        all_passed &= not outcome.failed
        if not given.other:
            write_by_name("house", figures_of(setting, outcome))
            write_by_name("house", run_figures(json.loads((RESULTS / "house.json").read_text(encoding="utf-8"))))
    sys.exit(0 if all_passed else 1)


if __name__ == "__main__":
    main()
