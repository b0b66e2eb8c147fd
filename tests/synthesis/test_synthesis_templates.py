"""Prompt templates: places are filled in at once, whatever braces stand in template, document or outline."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from mixval.errors import ConfigError
from mixval.synthesis.templates import load_templates, parse_template
from tests.synthesis.conftest import Configure


def test_braces_of_templates_and_documents_are_text() -> None:
    text = '# version 7\n[system]\nReply {"as": "JSON"} {{x}}\n[user]\n{0} {{{document}}} {{ document }} %s $x\n'
    template = parse_template(text.encode(), "own.txt", "rephrase")
    filled = template.filled({"document": "a {{document}} {{audience}} \\1 {} {0} \\g<0>"})
    assert filled == (
        'Reply {"as": "JSON"} {{x}}',
        "{0} {a {{document}} {{audience}} \\1 {} {0} \\g<0>} {{ document }} %s $x",
    )
    assert (template.version, template.digest) == ("7", hashlib.sha256(text.encode()).hexdigest())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[user]\n{{document}}", "# version N"),
        ("# version 1\n{{document}}", "[user]"),
        ("# version 1\n[user]\n{{docment}}", "{{document}}"),
        ("# version 1\n[user]\n{{document}}\n[user]\nagain", "[user]"),
    ],
)
def test_templates_that_cannot_be_used_are_told_what_they_lack(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=r"prompts\.rephrase \(own\.txt\)") as told:
        parse_template(text.encode(), "own.txt", "rephrase")
    assert said in str(told.value)


def test_the_shipped_ones_are_those_of_the_paper_and_may_be_replaced(configure: Configure, tmp_path: Path) -> None:
    textbook = load_templates(configure(recipe="textbook"))
    assert (
        textbook["outline"]
        .filled({"document": "D", "audience": "field experts"})[1]
        .startswith("Imagine you are a prolific author tasked with writing a textbook.")
    )
    assert "write Chapter 3 of the textbook" in textbook["chapter"].filled({"chapter": "3"})[1]
    assert '"Question:" followed by "Answer:"' in load_templates(configure(recipe="qa-rephrase"))["rephrase"].user
    own = tmp_path / "own.txt"
    own.write_text("# version 2\n[user]\nShorter: {{document}}\n")
    assert load_templates(configure(prompts={"rephrase": str(own)}))["rephrase"].version == "2"


def test_a_template_of_another_recipes_step_is_refused(configure: Configure) -> None:
    with pytest.raises(ValueError, match="has the steps rephrase"):
        configure(prompts={"outline": "x.txt"})
