"""The specs of tasks: one for each name, in keeping with the configuration's choices and with themselves."""

from dataclasses import replace
from typing import Any, get_args

import pytest

from mixval.config.backbone import RandomInitConfig
from mixval.config.load import parse_config
from mixval.config.tasks import (
    CAUSAL,
    EVERY_TASK,
    IMAGES,
    PARAMETERS,
    TASKS,
    TEXTS,
    Task,
    for_modality,
    spec_of,
)
from mixval.config.terms import DiscrepancyConfig
from mixval.errors import ConfigError

IMAGE_CONFIG: dict[str, Any] = {
    "task": "image-classification",
    "source": {"contributors": "/data/c", "target": "/data/t"},
    "output": "/out",
    "backbone": {"random_init": {"architecture": "resnet"}},
}
TEXT_CONFIG = IMAGE_CONFIG | {
    "task": "instruction",
    "backbone": {"random_init": {"architecture": "gpt2"}, "tokenizer": "byte"},
}


def test_every_name_has_a_spec() -> None:
    assert tuple(TASKS) == get_args(Task)
    assert all(spec.name == name for name, spec in TASKS.items())


def test_tasks_are_what_they_are() -> None:
    assert [task for task in EVERY_TASK if spec_of(task).has_labels] == ["image-classification", "text-classification"]
    assert CAUSAL == ("instruction", "language-modelling")
    assert IMAGES == ("image-classification",)
    assert TEXTS == ("text-classification", "instruction", "language-modelling")
    assert [task for task in EVERY_TASK if spec_of(task).has_prompt] == ["instruction"]
    assert {task: spec_of(task).inputs for task in EVERY_TASK} == {
        "image-classification": ("image",),
        "text-classification": ("text",),
        "instruction": ("prompt", "response"),
        "language-modelling": ("text",),
    }
    assert [spec_of(task).content for task in EVERY_TASK] == ["image", "text", "response", "text"]


@pytest.mark.parametrize("task", EVERY_TASK)
def test_what_is_learnt_stands_in_the_rows(task: Task) -> None:
    spec = spec_of(task)
    kinds = [column.kind for column in spec.columns]
    assert spec.has_labels is ("label" in kinds)
    assert spec.has_prompt is ("prompt" in kinds)
    assert spec.is_image is ("image" in kinds)
    assert spec.is_causal is not spec.has_labels


def test_the_configuration_offers_what_some_task_can_do() -> None:
    choices = {
        "features": get_args(DiscrepancyConfig.model_fields["features"].annotation),
        "architectures": get_args(RandomInitConfig.model_fields["architecture"].annotation),
    }
    for name, offered in choices.items():
        assert {choice for spec in TASKS.values() for choice in getattr(spec, name)} == set(offered)


def test_a_name_that_is_no_task_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"task: expected one of image-classification, .* found 'speech'"):
        spec_of("speech")


def test_a_modality_without_an_entry_is_refused() -> None:
    tables = replace(TASKS["image-classification"], name="tables", modality="table")
    with pytest.raises(ConfigError, match=r"task 'tables': expected rows of a modality with a reader \(image\), found 'table'"):
        for_modality({"image": 1}, tables, "a reader")
    assert for_modality({"image": 1}, TASKS["image-classification"], "a reader") == 1


def test_a_tasks_own_parameters_count_where_none_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse_config(TEXT_CONFIG).ntk.parameters == list(PARAMETERS)
    monkeypatch.setitem(TASKS, "instruction", replace(TASKS["instruction"], parameters=("embedding",)))
    assert parse_config(TEXT_CONFIG).ntk.parameters == ["embedding"]
    assert parse_config(TEXT_CONFIG | {"ntk": {"damping": 0.5}}).ntk.parameters == ["embedding"]
    assert parse_config(TEXT_CONFIG | {"ntk": {"parameters": ["norm"]}}).ntk.parameters == ["norm"]
    assert parse_config(TEXT_CONFIG | {"preset": "davinz", "discrepancy": {"features": "backbone"}}).ntk.parameters == [
        "linear",
        "conv",
    ]
    assert parse_config(IMAGE_CONFIG).ntk.parameters == list(PARAMETERS)


@pytest.mark.parametrize("task", EVERY_TASK)
def test_an_architecture_that_does_not_fit_is_refused_with_those_that_do(task: Task) -> None:
    fitting = spec_of(task).architectures
    for architecture in get_args(RandomInitConfig.model_fields["architecture"].annotation):
        given = TEXT_CONFIG | {"task": task, "backbone": {"random_init": {"architecture": architecture}, "tokenizer": "byte"}}
        if architecture in fitting:
            assert parse_config(given).task_spec is TASKS[task]
            continue
        with pytest.raises(ConfigError, match=f"{architecture}` does not fit the task {task}. Choose one of: {fitting[0]}"):
            parse_config(given)
