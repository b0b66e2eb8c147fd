"""Settings beside a configuration file: what they replace, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mixval.config.load import load_config
from mixval.config.overrides import overrides
from mixval.errors import ConfigError

GIVEN = {
    "task": "language-modelling",
    "source": {"contributors": "data", "target": "target"},
    "output": "out",
    "backbone": {"random_init": {"architecture": "llama"}, "tokenizer": "byte"},
    "sample": {"count": 100},
    "ntk": {"sample": {"count": 50}},
}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    written = tmp_path / "there" / "mixval.yaml"
    written.write_text(yaml.safe_dump(GIVEN))
    return written


def test_values_are_yaml_and_take_the_place_of_the_file_s(file: Path) -> None:
    given = ["sample.count=7", "ntk.sample={fraction: 0.5}", "gate.min_rows=3", "value.replicates=0", "seed=1", "seed=5"]
    config = load_config(file, overrides(given))
    assert (config.sample.count, config.gate.min_rows, config.value.replicates, config.seed) == (7, 3, 0, 5)
    assert (config.ntk.sample.count, config.ntk.sample.fraction) == (None, 0.5)
    both = load_config(file, overrides(["sample.count=null", "sample.fraction=0.25"]))
    assert (both.sample.count, both.sample.fraction) == (None, 0.25)
    assert load_config(file, overrides(["source.columns={text: body=1}"])).source.columns == {"text": "body=1"}


def test_relative_paths_are_relative_to_the_shell_and_the_file_s_own_to_the_file(file: Path) -> None:
    config = load_config(file, overrides(["output=elsewhere", "source.target=s3://bucket/target"]))
    assert config.output == str(file.parents[1] / "here" / "elsewhere")
    assert config.source.contributors == str(file.parent / "data")
    assert config.source.target == "s3://bucket/target"


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("sample.cuont=5", r"--set sample.cuont: 1 problem\(s\)\n  sample.cuont: unknown key. Did you mean `count`\?"),
        ("sample.count=many", r"sample.count: Input should be a valid integer.*found 'many'"),
        ("sample.fraction=0.5", "give `count` or `fraction`, not both"),
        ("output.of=1", "expected a section at `output`, found '.*out'"),
        ("sample.count", "expected KEY=VALUE with a dotted key"),
        (".count=1", "expected KEY=VALUE with a dotted key"),
        ("source.columns={text", "expected a YAML value after `=`, found '{text'"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_key(file: Path, setting: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_config(file, overrides([setting]))
