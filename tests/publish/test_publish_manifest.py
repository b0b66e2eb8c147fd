"""The manifest holds no secret, survives its JSON, and says where a configuration departs from the paper."""

import json

import pytest

from mixval.config.load import parse_config
from mixval.config.url_secrets import stripped_url
from mixval.contracts.plan import ContributorPlan, ShardRef
from mixval.errors import ConfigError, ContractError
from mixval.publish.manifest import Manifest, input_shards, read_manifest
from mixval.publish.paper_deviations import paper_deviations
from mixval.publish.redaction import looks_secret
from mixval.publish.run_manifest import package_versions, resolved_config
from mixval.stages.routes import route_of

BASE = {
    "task": "text-classification",
    "source": {"contributors": "s3://lake/c", "target": "s3://lake/t"},
    "output": "s3://lake/out",
    "backbone": {"path": "org/model", "revision": "main"},
    "value": {"method": "eq8"},
}


def config(**changes):
    return parse_config({**BASE, **changes})


def test_manifest_survives_json(results):
    text = results.manifest.to_json()
    assert read_manifest(text, "runs/x/manifest.json") == results.manifest
    assert json.loads(text)["config"]["source"]["target"] == "s3://lake/target.parquet"


def test_a_file_that_is_no_manifest_is_named_with_its_place():
    with pytest.raises(ContractError, match=r"s3://lake/manifest.json: expected a manifest"):
        read_manifest('{"run_id": 3}', "s3://user:pw@lake/manifest.json")


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "aws_secret_access_key",
        "apiKey",
        "access-key-id",
        "token",
        "hf_token",
        "AWS_SESSION_TOKEN",
        "client_secret",
        "sasToken",
    ],
)
def test_keys_named_like_secrets_are_refused_without_their_value(results, key):
    assert looks_secret(key)
    with pytest.raises(ConfigError, match="looks like a secret") as caught:
        results.manifest.model_validate(
            {**results.manifest.model_dump(), "config": {"runtime": {"cluster_options": {key: "hunter2"}}}}
        )
    assert "hunter2" not in str(caught.value)
    assert key in str(caught.value)


@pytest.mark.parametrize("key", ["tokenizer", "max_tokens", "credentials_block", "monkey", "author", "n_tokens"])
def test_harmless_keys_stay(key):
    assert not looks_secret(key)


def test_values_shaped_like_keys_are_refused():
    with pytest.raises(ConfigError, match=r"config\.runtime\.cluster_options\.env\[0\]"):
        resolved_config(config(runtime={"cluster_options": {"env": ["AKIAABCDEFGHIJKLMNOP"]}}))


@pytest.mark.parametrize(
    ("url", "bare"),
    [
        ("s3://key:secret@bucket/a", "s3://bucket/a"),
        ("https://host/a?X-Amz-Signature=ab#f", "https://host/a"),
        ("s3://bucket/a?region=eu&secret_key=x", "s3://bucket/a"),
        ("s3://bucket/contributor=who?/part.parquet", "s3://bucket/contributor=who?/part.parquet"),
        ("tcp://u:p@scheduler:8786", "tcp://scheduler:8786"),
        ("s3://bucket/mail@host/a", "s3://bucket/mail@host/a"),
        ("/data/plain path", "/data/plain path"),
    ],
)
def test_urls_lose_user_password_and_query(url, bare):
    assert stripped_url(url) == bare


def test_every_default_configuration_can_be_published_and_read_back():
    resolved = resolved_config(config())
    assert parse_config(resolved) == config()


def test_shards_are_published_without_credentials():
    shard = ShardRef(url="s3://k:s@lake/c/a.parquet", name="a.parquet", size_bytes=3, digest="d", n_rows=2)
    plan = ContributorPlan(
        name="c", shards=[shard], n_rows=2, n_sampled=2, n_gradient_rows=2, n_passes=1, task_bytes=1, seconds=0.1
    )
    (found,) = input_shards(plan)
    assert found.url == "s3://lake/c/a.parquet"
    assert (found.name, found.size_bytes, found.digest, found.n_rows) == ("a.parquet", 3, "d", 2)


def test_versions_name_what_changes_numbers():
    found = package_versions()
    assert {"python", "torch", "numpy", "pyarrow"} <= found.keys()


def said(configured):
    return paper_deviations(configured, route_of(configured.ntk.method).paper_deviations(configured))


def test_deviations_name_each_switch_and_vanish_with_it():
    text = " ".join(said(config(ntk={"method": "exact"})))
    assert "(1/2, 1/2, 0, 0)" in text
    assert "at most 500 rows" in text
    assert "times the kernel's mean diagonal" in text
    plain = config(
        value={"method": "eq8", "weights": "published"},
        sample={"count": None},
        ntk={"method": "exact", "sample": {"count": None}, "damping_mode": "absolute"},
    )
    text = " ".join(said(plain))
    assert "Weights" not in text
    assert "NTK: gradients of" not in text
    assert "0.01, absolute" in text


def test_deviations_follow_the_task():
    causal = " ".join(said(config(task="instruction")))
    assert "f is the mean true-token logit, r = 1 - f" in causal
    assert "true-token" not in " ".join(said(config()))
    images = config(
        task="image-classification", backbone={"random_init": {"architecture": "resnet"}, "image_size": 32}, preset="davinz"
    )
    text = " ".join(said(images))
    for words in (
        "Preset davinz",
        "on real and synthetic rows together, as in DAVINZ",
        "biased",
        "100 diagonal blocks",
        "neutral",
        "-kappa NTK - MMD",
    ):
        assert words in text


def test_deviations_say_that_the_value_is_not_eq_8():
    labelled, causal = (
        " ".join(said(config(value={"method": "ntk-regression"}, task=t))) for t in (BASE["task"], "instruction")
    )
    assert "not Eq. 8, but the cross-entropy" in labelled
    assert "with lambda 1 times" in labelled
    assert "with lambda 0.1 times" in causal
    assert "f is a random combination of all logits" in labelled
    assert "the mean log-probability of the answer tokens" in causal
    assert "f is log p, r = 1 - p" in causal
    ways = [" ".join(said(config(value={"gain": gain}, task="instruction"))) for gain in ("trained", "first-order")]
    assert ["less a displacement penalty" in words for words in (*ways, causal, labelled)] == [True, False, True, False]
    assert "not Eq. 8" not in " ".join(said(config()))


def test_manifest_refuses_unknown_fields(results):
    with pytest.raises(ValueError, match="surprise"):
        Manifest.model_validate({**results.manifest.model_dump(), "surprise": 1})
