"""Names of classes: where they stand, and whether two lists mean the same by the same integer."""

import json

import pyarrow as pa
import pytest

from mixval.contracts.class_names import class_names, first_disagreement, named


def schema(feature, column="label"):
    info = {"info": {"features": {column: feature}}}
    return pa.schema([(column, pa.int64())], metadata={"huggingface": json.dumps(info)})


@pytest.mark.parametrize(
    "feature",
    [
        {"names": ["neg", "pos"], "_type": "ClassLabel"},
        {"dtype": {"class_label": {"names": {"0": "neg", "1": "pos"}}}},
    ],
)
def test_names_of_hugging_face_files(feature):
    assert class_names(schema(feature), "label") == ("neg", "pos")
    assert class_names(schema(feature, "stars"), "stars") == ("neg", "pos")
    assert class_names(schema(feature), "other") == ()


@pytest.mark.parametrize(
    "note", [b"{", b"[]", b"null", b'{"info": 3}', b"\xff", b'{"info": {"features": {"label": {"names": 3}}}}']
)
def test_notes_that_name_nothing(note):
    assert class_names(pa.schema([("label", pa.int64())], metadata={"huggingface": note}), "label") == ()
    assert class_names(pa.schema([("label", pa.int64())]), "label") == ()


def test_names_made_up_from_numbers_name_nothing():
    assert named({0: "LABEL_0", 1: "LABEL_1"}) == ()
    assert named({"1": "pos", "0": "neg"}) == ("neg", "pos")
    assert named(["class 0", "dog"]) == ("", "dog")
    assert named("neg") == named(None) == named([]) == ()


@pytest.mark.parametrize(
    ("one", "other", "at"),
    [
        (("neg", "pos"), ("neg", "pos"), None),
        (("pos", "neg"), ("neg", "pos"), 0),
        (("Negative", "Positive"), ("neg", "pos"), None),
        (("positive", "negative"), ("neg", "pos"), 0),
        (("not entailment", "entailment"), ("not_entailment", "Entailment"), None),
        (("neg", "neutral", "pos"), ("neg", "pos"), 1),
        (("neg", "pos", "neutral"), ("neg", "pos"), None),
        (("world", "sports"), ("neg", "pos"), 0),
        (("cat", "catfish"), ("catfish", "cat"), 0),
        (("class1", "x"), ("class10", "x"), 0),
        (("0", "1"), ("neg", "pos"), None),
        (("1", "0"), ("0", "1"), 0),
        (("", "pos"), ("neg", "pos"), None),
        ((), ("neg", "pos"), None),
        (("+", "-"), ("-", "+"), 0),
    ],
)
def test_where_two_lists_first_disagree(one, other, at):
    assert first_disagreement(one, other) == at
    assert first_disagreement(other, one) == at
