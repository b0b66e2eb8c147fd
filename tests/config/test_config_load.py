"""Configuration files: what is wrong is named by its key, with what to do about it."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from mixval.cli.template import write_template
from mixval.config.fingerprint import fingerprint
from mixval.config.load import load_config, parse_config
from mixval.config.valuation import ValuationConfig, merge
from mixval.config.value import ValueConfig
from mixval.config.yaml_text import read_yaml
from mixval.errors import ConfigError, StorageError
from mixval.storage.root import open_location

SMALLEST: dict[str, Any] = {
    "task": "image-classification",
    "source": {"contributors": "./contributors", "target": "s3://bucket/target"},
    "output": "./out",
    "backbone": {"random_init": {"architecture": "resnet"}},
}


def written(tmp_path: Path, **changes: Any) -> Path:
    file = tmp_path / "mixval.yaml"
    file.write_text(yaml.safe_dump(merge(SMALLEST, changes)))
    return file


def test_relative_paths_are_relative_to_the_file_and_urls_are_left_alone(tmp_path: Path) -> None:
    config = load_config(written(tmp_path))
    assert config.source.contributors == str(tmp_path / "contributors")
    assert config.source.target == "s3://bucket/target"
    assert config.output == str(tmp_path / "out")


def test_a_hub_name_stays_a_name_and_a_local_folder_becomes_a_path(tmp_path: Path) -> None:
    backbone = {"random_init": None, "path": "org/model", "revision": "abc"}
    assert load_config(written(tmp_path, backbone=backbone)).backbone.path == "org/model"
    (tmp_path / "org" / "model").mkdir(parents=True)
    assert load_config(written(tmp_path, backbone=backbone)).backbone.path == str(tmp_path / "org" / "model")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ntk": {"dampin": 1}}, r"ntk\.dampin: unknown key\. Did you mean `damping`"),
        ({"sorce": {}}, r"sorce: unknown key\. Did you mean `source`"),
        ({"ntk": {"slice_rows": 9}}, r"ntk\.slice_rows: was removed\. Write `runtime.gradient_bytes`"),
        ({"ntk": {"nystroem_rank": 9}}, r"ntk\.nystroem_rank: was removed\. Leave it out"),
        ({"ntk": {"extrapolate": False}}, r"ntk\.extrapolate: was removed\. Leave it out; `ntk\.method: sketched`"),
        ({"ntk": {"method": "iterative"}}, r"ntk\.method: iterative: was removed\. Write `exact`, which gives the same"),
        ({"ntk": {"method": "nystroem"}}, r"ntk\.method: nystroem: was removed\. Write `exact`, or `sketched`"),
        ({"discrepancy": {"method": "linear-time"}}, r"discrepancy\.method: linear-time: was removed\. Write `random-f"),
        ({"value": {"method": "risk"}}, r"value\.method: risk: was removed\. Write `ntk-regression`, its new name"),
        ({"value": {"method": "bound"}}, r"value\.method: bound: was removed\. Write `eq8`"),
        ({"value": {"risk_damping": 0.1}}, r"value\.risk_damping: was removed\. Write `value\.damping`"),
        ({"value": {"half_samples": 9, "replicates": 9}}, r"value\.half_samples"),
        ({"value": {"half_sample_rows": 9}}, r"value\.half_sample_rows: was removed\. Write `value\.replicate_rows`"),
        ({"ntk": {"method": "newton"}}, r"ntk\.method: Input should be 'exact' or 'sketched'"),
        ({"task": "poetry"}, r"task: Input should be 'image-classification'"),
        ({"sample": {"count": 5, "fraction": 0.1}}, r"sample: give `count` or `fraction`, not both"),
        ({"backbone": {"path": "x"}}, r"backbone: give exactly one of `path`"),
        ({"ntk": {"parameters": ["lora"]}}, r"`backbone.lora` is not set"),
        (
            {"value": {"method": "eq8", "weights": "fitted"}},
            r"`weights: fitted` and `fitted_weights: URL` must be given together",
        ),
        ({"value": {"weights": "published"}}, r"`weights: published` weigh Eq. 8's terms, .* Write `method: eq8`"),
        ({"discrepancy": {"bandwidths": [-1.0]}}, r"bandwidths and multipliers must be positive"),
        ({"gate": {"min_text_chars": 9, "max_text_chars": 3}}, r"a minimum is above its maximum"),
        ({"task": "instruction"}, r"`random_init.architecture: resnet` does not fit the task instruction"),
        ({"source": {"target": " "}}, r"source\.target: expected a URL or folder, found an empty string"),
    ],
)
def test_every_problem_is_named_by_its_key(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_config(written(tmp_path, **changes))


def test_the_value_is_by_ntk_regression_where_nothing_else_is_written() -> None:
    config = parse_config(SMALLEST)
    assert (config.value.method, config.ntk.output, config.ntk.residual) == ("ntk-regression", "mix", "one-minus-probability")
    by_eq_8 = parse_config(SMALLEST | {"value": {"method": "eq8"}})
    assert (by_eq_8.value.rule, by_eq_8.ntk.output, by_eq_8.ntk.residual) == ("shipped", "logit", "one-minus-output")


def test_each_task_has_its_own_damping_of_the_regression() -> None:
    value = parse_config(SMALLEST).value
    assert (value.damping_for("image-classification"), value.damping_for("text-classification")) == (1.0, 1.0)
    assert (value.damping_for("instruction"), value.damping_for("language-modelling")) == (0.01, 0.01)
    assert parse_config(SMALLEST | {"value": {"damping": 0.1}}).value.damping_for("instruction") == 0.1


def test_causal_checkpoints_are_valued_in_the_geometry_of_their_training() -> None:
    causal = SMALLEST | {"task": "language-modelling", "backbone": {"path": "/models/small"}}

    def chosen(**changes: Any) -> tuple[str, float]:
        config = parse_config(merge(causal, changes))
        return config.ntk.preconditioner, config.value.damping_for("language-modelling")

    assert chosen() == chosen(value={"gain": "first-order"}) == ("target", 0.1)
    assert chosen(value={"damping": 0.3}) == ("target", 0.3)
    assert chosen(ntk={"preconditioner": "none"}) == chosen(value={"method": "eq8"}) == ("none", 0.01)
    untrained = {"backbone": {"path": None, "random_init": {"architecture": "llama"}}}
    assert chosen(**untrained) == chosen(**untrained, task="instruction") == ("none", 0.01)
    assert parse_config(causal | {"task": "text-classification"}).ntk.preconditioner == "none"


def test_values_speak_for_the_rows_read_where_labels_and_features_can_tell() -> None:
    exact = SMALLEST | {"ntk": {"method": "exact"}}
    assert parse_config(exact).values_rows_read
    assert not parse_config(exact | {"value": {"rows": "gradients"}}).values_rows_read
    assert not parse_config(SMALLEST).values_rows_read  # sketched: all rows have gradients
    assert not parse_config(exact | {"value": {"method": "eq8"}}).values_rows_read
    pixels = exact | {"discrepancy": {"features": "pixels"}}
    assert not parse_config(pixels).values_rows_read
    with pytest.raises(ConfigError, match=r"`value.rows: read` needs labels.*with `discrepancy.features: pixels`"):
        parse_config(pixels | {"value": {"rows": "read"}})


def test_a_plain_configuration_measures_as_the_template_does(tmp_path: Path) -> None:
    plain = parse_config(SMALLEST)
    assert (plain.ntk.method, plain.discrepancy.method) == ("sketched", "random-features")
    first = load_config(write_template(tmp_path, "image-classification", is_offline=True))
    assert (first.ntk.method, first.discrepancy.method) == (plain.ntk.method, plain.discrepancy.method)
    assert parse_config(SMALLEST | {"ntk": {"method": "exact"}}).discrepancy.method == "exact"
    for asked in ({"method": "exact"}, {"permutations": 99}):
        with pytest.raises(ConfigError, match=r"needs `discrepancy.method: random-features`.*Write so, or `ntk.method: exact`"):
            parse_config(SMALLEST | {"discrepancy": asked})


def test_pixels_need_images(tmp_path: Path) -> None:
    text = {"task": "text-classification", "discrepancy": {"features": "pixels"}}
    with pytest.raises(ConfigError, match=r"`discrepancy.features: pixels` needs images"):
        load_config(written(tmp_path, **text, backbone={"random_init": {"architecture": "bert"}}))


@pytest.mark.parametrize(("content", "words"), [("- a\n- b", "found list"), ("a: [", "expected YAML"), (None, "no such file")])
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, content: str | None, words: str) -> None:
    file = tmp_path / "mixval.yaml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError, match=words):
        load_config(file)


def test_the_davinz_preset_is_the_ancestor_to_the_letter_and_gives_way_to_what_is_written_out() -> None:
    config = parse_config(SMALLEST | {"preset": "davinz"})
    discrepancy, ntk = config.discrepancy, config.ntk
    assert (discrepancy.features, discrepancy.bandwidths, discrepancy.estimator) == ("pixels", [5.0], "biased")
    assert (ntk.damping, ntk.damping_mode, ntk.n_blocks, ntk.output) == (1e-4, "absolute", 100, "logit")
    assert (ntk.residual, ntk.parameters) == ("one-minus-output", ["linear", "conv"])
    assert (config.value.weights, config.backbone.batch_norm) == ("davinz", "neutral")
    assert parse_config(SMALLEST | {"preset": "davinz", "ntk": {"n_blocks": 1}}).ntk.n_blocks == 1


def test_a_resolved_configuration_gives_the_same_configuration_again() -> None:
    config = parse_config(SMALLEST | {"preset": "davinz"})
    assert ValuationConfig.model_validate_json(config.model_dump_json()) == config


def test_fingerprints_follow_content_and_refuse_what_has_no_stable_form() -> None:
    config = parse_config(SMALLEST)
    first = fingerprint("x", 1, config=config, numbers=[1, 2.0])
    assert first == fingerprint("x", 1, numbers=[1, 2.0], config=parse_config(SMALLEST))
    assert first != fingerprint("x", 2, config=config, numbers=[1, 2.0])
    assert first != fingerprint("x", 1, config=config, numbers=[1, 2.5])
    with pytest.raises(ConfigError, match="no stable text form"):
        fingerprint("x", 1, thing=object())
    with pytest.raises(ConfigError, match="no stable text form"):
        fingerprint("x", 1, thing=float("nan"))


def test_contributors_by_name_are_anchored_one_by_one_and_need_a_url_each(tmp_path: Path) -> None:
    source = {"contributors": {"a": "./here", "b": "s3://bucket/b"}, "target": "t"}
    base = SMALLEST | {"source": source}
    file = tmp_path / "named.yaml"
    file.write_text(yaml.safe_dump(base))
    assert load_config(file).source.contributors == {"a": str(tmp_path / "here"), "b": "s3://bucket/b"}
    for wrong, words in (({"contributors": {"a": " "}}, "found an empty string"), ({"layout": "column"}, "URLs by name")):
        with pytest.raises(ConfigError, match=words):
            parse_config(base | {"source": source | wrong})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("task: a\nsource: {}\ntask: b\n", r"the key `task` twice, in lines 1 and 3"),
        ("source:\n  target: x\n  target: y\n", r"the key `target` twice, in lines 2 and 3"),
        ("task: " + "[" * 5000, r"nested too deeply"),
        (
            "a: &a [x, x]\n" + "".join(f"{n}: &{n} [*{p}, *{p}, *{p}]\n" for p, n in pairwise("abcdefghijklmnop")),
            "100,000 values",
        ),
        ("a: &a\n  b: *a\n", r"contains itself"),
        ("# " + "x" * (1 << 20), r"at most 1,048,576"),
        ("a: [1\n", r"expected YAML"),
    ],
    ids=["key-twice", "inner-key-twice", "deep", "aliases", "loop", "long", "broken"],
)
def test_a_file_that_would_lose_a_key_or_fill_the_memory_is_refused(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "mixval.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=words):
        load_config(file)


def test_merged_keys_may_be_given_anew(tmp_path: Path) -> None:
    assert read_yaml("base: &b {x: 1, y: 2}\nmore: {<<: *b, y: 3}\n")["more"] == {"x": 1, "y": 3}


@pytest.mark.parametrize(
    ("url", "is_secret"),
    [
        ("s3://AKIAX:hunter2@bucket/rows", True),
        ("s3://AKIAX@bucket/rows", True),
        ("https://me:hunter2@host/rows.parquet", True),
        ("https://host/rows.parquet?X-Amz-Credential=a&X-Amz-Signature=hunter2", True),
        ("abfs://c@account.dfs.core.windows.net/rows?sv=1&sig=hunter2", True),
        ("abfs://container@account.dfs.core.windows.net/rows", False),
        ("s3://bucket/me:you@there", False),
        ("/data/me:hunter2@home", False),
        ("https://host/rows?part=1", False),
    ],
)
def test_urls_with_credentials_are_refused_and_never_printed(tmp_path: Path, url: str, is_secret: bool) -> None:
    places = [{"source": {"target": url}}, {"source": {"contributors": {"alder": url}}}, {"output": url}]
    for change in [*places, {"source": {"storage": {"endpoint_url": url}}}]:
        if not is_secret:
            load_config(written(tmp_path, **change))
            continue
        with pytest.raises(ConfigError, match="without credentials") as caught:
            load_config(written(tmp_path, **change))
        assert "hunter2" not in str(caught.value)
    if is_secret:
        with pytest.raises(StorageError, match="without credentials") as refused:
            open_location(url)
        assert "hunter2" not in str(refused.value)


def test_the_earlier_name_of_replicates_is_read() -> None:
    assert ValueConfig.model_validate({"half_samples": 9}).replicates == 9
