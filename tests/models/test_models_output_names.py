"""Names of a checkpoint's outputs against names of the target's labels."""

import json

import pytest

from mixval.errors import ModelError
from mixval.models.output_names import output_names_doubt


@pytest.fixture
def named_checkpoint(tmp_path):
    def make(*names):
        (tmp_path / "config.json").write_text(json.dumps({"id2label": {str(i): name for i, name in enumerate(names)}}))
        (tmp_path / "model.safetensors").write_bytes(b"")
        return str(tmp_path), None, "auto"

    return make


def test_the_same_classes_in_another_order_stop_the_run(named_checkpoint):
    found = "output 0 of the checkpoint is 'POSITIVE', and label 0 of the target 'neg'.*Renumber the labels"
    with pytest.raises(ModelError, match=found):
        output_names_doubt(*named_checkpoint("POSITIVE", "NEGATIVE"), ("neg", "pos"))


def test_other_words_are_a_doubt(named_checkpoint):
    doubt = output_names_doubt(*named_checkpoint("1 star", "5 stars"), ("neg", "pos"))
    assert doubt is not None
    assert "output 0 of the checkpoint is '1 star', and label 0 of the target 'neg'" in doubt


def test_names_that_agree_or_say_nothing(named_checkpoint):
    assert output_names_doubt(*named_checkpoint("LABEL_0", "LABEL_1"), ("neg", "pos")) is None
    assert output_names_doubt(*named_checkpoint("Negative", "Positive", "neutral"), ("neg", "pos")) is None
    assert output_names_doubt(*named_checkpoint("pos", "neg"), ()) is None
    assert output_names_doubt(None, None, "auto", ("neg", "pos")) is None
