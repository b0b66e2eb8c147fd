"""Architectures of transformers are taken, or refused, as docs/models.md says: eight by default, all of them on request."""

import json
from dataclasses import asdict

import pytest

from benchmarks.families.__main__ import STORED
from benchmarks.families.examine import examine
from benchmarks.families.listed import FAMILIES, Tried
from docs.generate_models import FILE, tables

SOME = {
    ("bert", "BertModel", "text-classification"),
    ("roberta", "RobertaForMaskedLM", "text-classification"),
    ("fnet", "FNetForMaskedLM", "text-classification"),
    ("opt", "OPTForCausalLM", "text-classification"),
    ("bert", "BertForMaskedLM", "instruction"),
    ("gemma", "GemmaForCausalLM", "instruction"),
    ("qwen2_moe", "Qwen2MoeForCausalLM", "instruction"),
    ("vit", "ViTModel", "image-classification"),
}


def _key(tried: Tried) -> tuple[str, str, str]:
    return tried.model_type, tried.saved_as, tried.task


def _stored(tried: Tried) -> dict[str, object]:
    return {(one["family"], one["saved_as"], one["task"]): one for one in json.loads(STORED.read_text())}[_key(tried)]


def _each(is_some: bool) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("tried", [one for one in FAMILIES if (_key(one) in SOME) == is_some], ids=_key)


@_each(is_some=True)
def test_a_family_is_taken_as_the_page_says(tried):
    assert asdict(examine(tried)) == _stored(tried)


@pytest.mark.families
@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")  # of MobileBERT's own class
@pytest.mark.parametrize(
    "tried", [one for one in FAMILIES if _key(one) not in SOME], ids=lambda one: f"{one.saved_as}-{one.task}"
)
def test_every_family_is_taken_as_the_page_says(tried):
    assert asdict(examine(tried)) == _stored(tried)


def test_the_page_shows_what_is_stored_and_the_list_is_long():
    assert tables() in FILE.read_text()
    stored = json.loads(STORED.read_text())
    assert [(one["family"], one["saved_as"], one["task"]) for one in stored] == [_key(one) for one in FAMILIES]
    assert len({one["family"] for one in stored}) >= 60
    assert {one["task"] for one in stored if one["outcome"] == "gradients by weights"} == {one.task for one in FAMILIES}
