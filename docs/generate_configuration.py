"""The tables of docs/configuration.md, from the models themselves: `python -m docs.generate_configuration`.

Types, limits and defaults are pydantic's; the meaning is the string below each attribute, read from the source.
"""

from __future__ import annotations

import inspect
import json
import re
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from docs.marked import rewrite
from mixval.config.generators import SamplingConfig, ServerGeneratorConfig, TransformersGeneratorConfig
from mixval.config.ingestion import IngestionConfig
from mixval.config.policy import Budget, Exploration, PolicyConfig, Rule
from mixval.config.schema import field_meanings
from mixval.config.synthesis import DocumentsConfig, SynthesisConfig
from mixval.config.synthesis_filters import FiltersConfig
from mixval.config.valuation import ValuationConfig
from mixval.evidence.calibrating_config import CalibrationConfig
from mixval.evidence.recipe import TrainingRecipe
from mixval.experiments.config import ExperimentConfig, LongTail
from mixval.experiments.study.config import StudyConfig, StudyRecipe
from mixval.experiments.study.shapes import Shape

FILE = Path(__file__).with_name("configuration.md")
SIGNS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
WORDS = {str: "text", int: "integer", float: "number", bool: "true or false", type(None): "null", Any: "any"}
HEADER = "| key | type | default | meaning |\n| --- | --- | --- | --- |"


def tables() -> str:
    """One section a model, the whole configuration first, each nested model once, where it is first used."""
    sections = []
    for path, model in _models("", ValuationConfig):
        sections.append(_section(f"### `{path}`" if path else "### The whole file", model))
    return "\n\n".join(sections)


def calibration_tables() -> str:
    """What a calibration's configuration adds to a valuation's, and the section that only it has."""
    added = [name for name in CalibrationConfig.model_fields if name not in ValuationConfig.model_fields]
    return "\n\n".join([_section("### Added keys", CalibrationConfig, added), _section("### `recipe`", TrainingRecipe)])


def ingestion_tables() -> str:
    """A gate's configuration: its own keys, then the policy and what is in it. Sections of a valuation stand above."""
    parts = [("### The whole file", IngestionConfig), ("### `policy`", PolicyConfig), ("### A rule", Rule)]
    parts += [("### `policy.budget`", Budget), ("### `policy.exploration`", Exploration)]
    return "\n\n".join(_section(title, model) for title, model in parts)


def synthesis_tables() -> str:
    """A synthesis's configuration: its own keys, documents, both kinds of generator, sampling and filters."""
    parts = [("### The whole file", SynthesisConfig), ("### `source`", DocumentsConfig)]
    parts += [("### `generator` of kind `transformers`", TransformersGeneratorConfig)]
    parts += [("### `generator` of kind `openai`", ServerGeneratorConfig)]
    parts += [("### `sampling`", SamplingConfig), ("### `filters`", FiltersConfig)]
    return "\n\n".join(_section(title, model) for title, model in parts)


def experiment_tables() -> str:
    """An experiment's configuration: its own keys, and how rows are drawn. Other sections stand above."""
    parts = [("### The whole file", ExperimentConfig), ("### `tail`", LongTail)]
    return "\n\n".join(_section(title, model) for title, model in parts)


def study_tables() -> str:
    """A study's configuration: its own keys, how models are trained, and a shape of one's own."""
    parts = [("### The whole file", StudyConfig), ("### `recipe`", StudyRecipe), ("### A size of one's own", Shape)]
    return "\n\n".join(_section(title, model) for title, model in parts)


def _section(title: str, model: type[BaseModel], names: Sequence[str] | None = None) -> str:
    meanings = field_meanings(model)
    rows = [
        f"| `{name}` | {_type(field.annotation)}{_limits(field)} | {_default(field)} | {_one_line(meanings[name])} |"
        for name, field in model.model_fields.items()
        if names is None or name in names
    ]
    return "\n".join([title, "", _one_line(inspect.getdoc(model) or ""), "", HEADER, *rows])


def _models(path: str, model: type[BaseModel]) -> list[tuple[str, type[BaseModel]]]:
    found = [(path, model)]
    seen = {model}
    for name, field in model.model_fields.items():
        for inner in _inner(field.annotation):
            where = f"{path}.{name}" if path else name
            for entry in _models(where, inner):
                if entry[1] not in seen:
                    seen.add(entry[1])
                    found.append(entry)
    return found


def _inner(annotation: Any) -> list[type[BaseModel]]:
    return [kind for kind in (annotation, *get_args(annotation)) if inspect.isclass(kind) and issubclass(kind, BaseModel)]


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _type(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(inner[0])
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in inner)
    if origin in (Union, types.UnionType):
        return " or ".join(_type(one) for one in inner)
    if origin in (list, dict):
        held = " → ".join(_type(one) for one in inner)
        return f"{'list' if origin is list else 'keys'} ({held})"
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return f"section `{_snake(annotation.__name__.removesuffix('Config'))}`"
    return WORDS[annotation]


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _limits(field: FieldInfo) -> str:
    found = [f"{sign} {getattr(rule, key)}" for rule in field.metadata for key, sign in SIGNS.items() if hasattr(rule, key)]
    return f", {', '.join(found)}" if found else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "*required*"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        given = value.model_dump(mode="json", exclude_unset=True)
        return f"`{_flow(given)}`" if given else "its defaults"
    return f"`{_flow(value)}`"


def _flow(value: Any) -> str:
    """The value in YAML's flow style, on one line."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", exclude_unset=True)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    return value if isinstance(value, str) else json.dumps(value)


if __name__ == "__main__":
    rewrite(FILE, "fields", tables())
    rewrite(FILE, "calibration", calibration_tables())
    rewrite(FILE, "ingestion", ingestion_tables())
    rewrite(FILE, "synthesis", synthesis_tables())
    rewrite(FILE, "experiment", experiment_tables())
    rewrite(FILE, "study", study_tables())
