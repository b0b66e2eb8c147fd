"""The JSON schema of a configuration, for editors: pydantic's, with the sentence below each field as its description."""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap
from typing import Any, get_args

from pydantic import BaseModel

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The schema, with keys in the order of the configuration."""
    schema = {"$schema": DIALECT} | model.model_json_schema()
    held = {one.__name__: one for one in _nested(model)}
    for name, told in [(model.__name__, schema), *schema.get("$defs", {}).items()]:
        for field, sentence in field_meanings(held[name]).items() if name in held else ():
            if field in told.get("properties", {}):
                told["properties"][field] |= {"description": sentence}
    return schema


def field_meanings(model: type[BaseModel]) -> dict[str, str]:
    """Field -> the string that stands below it, in one line; inherited fields too. A field without one is left out."""
    found: dict[str, str] = {}
    for owner in reversed(model.__mro__):
        if issubclass(owner, BaseModel) and owner.__module__.partition(".")[0] != "pydantic":
            found |= _own_meanings(owner)
    return found


def _own_meanings(model: type[BaseModel]) -> dict[str, str]:
    found = {}
    source = textwrap.dedent(inspect.getsource(model))
    [definition] = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    for attribute, below in itertools.pairwise(definition.body):
        if not (isinstance(attribute, ast.AnnAssign) and isinstance(attribute.target, ast.Name)):
            continue
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            found[attribute.target.id] = " ".join(str(below.value.value).split())
    return found


def _nested(model: type[BaseModel]) -> set[type[BaseModel]]:
    """The model and all models in its fields."""
    found, todo = set[type[BaseModel]](), [model]
    while todo:
        one = todo.pop()
        if one in found:
            continue
        found.add(one)
        for field in one.model_fields.values():
            todo += _models_in(field.annotation)
    return found


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for inner in get_args(annotation) for found in _models_in(inner)]
