"""Read configuration files: YAML in, a checked `ValuationConfig` out; errors name the key and the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from mixval.config.base import FrozenModel
from mixval.config.overrides import Override
from mixval.config.removed import remedy
from mixval.config.url_secrets import refuse_secrets
from mixval.config.valuation import ValuationConfig
from mixval.config.yaml_text import MOST_BYTES, read_yaml
from mixval.errors import ConfigError

Config = TypeVar("Config", bound=FrozenModel)

PATH_FIELDS = (
    ("output",),
    ("tables",),
    ("source", "contributors"),
    ("source", "target"),
    ("backbone", "path"),
    ("backbone", "tokenizer"),
    ("value", "fitted_weights"),
    ("test",),
    ("rows",),
    ("inbox",),
    ("table",),
    ("target",),
    ("state",),
    ("source", "documents"),
    ("generator", "model"),
    ("prompts",),
    ("real",),
    *(("synthetic",), ("held_out",), ("tokenizer",)),
)


def load_config(path: str | Path, changes: Sequence[Override] = ()) -> ValuationConfig:
    """The configuration in a YAML file, with `changes` in place of its values.

    Relative paths in the file are relative to the file, those in `changes` to the working directory.
    """
    return load_config_as(ValuationConfig, path, changes)


def load_config_as(model: type[Config], path: str | Path, changes: Sequence[Override] = ()) -> Config:
    """The same for another configuration model, such as that of another flow."""
    given = _given(path)
    for change in changes:
        given = _anchored_change(change).put_into(given)
    set_by_hand = "".join(f" --set {'.'.join(change.key)}" for change in changes)
    return parse_config_as(model, given, where=f"{path}{set_by_hand}")


def _anchored_change(change: Override) -> Override:
    nested = anchor_paths(change.put_into({}), Path.cwd())
    for part in change.key:
        nested = nested[part]
    return Override(change.key, nested)


def _given(path: str | Path) -> dict[str, Any]:
    """The contents of the file, with paths made absolute against its folder."""
    file = Path(path)
    try:
        with file.open(encoding="utf-8") as text:
            given = read_yaml(text.read(MOST_BYTES + 1))
    except FileNotFoundError as error:
        raise ConfigError(f"{file}: no such file. Write one with `mixval init DIR`.") from error
    except (ConfigError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{file}: expected YAML, found {error}. Correct the file.") from error
    if not isinstance(given, dict):
        raise ConfigError(f"{file}: expected keys and values, found {type(given).__name__}. See `mixval init`.")
    return anchor_paths(given, file.resolve().parent)


def keys_of(path: str | Path) -> set[str]:
    """The keys of a configuration file, by which one flow's is told from another's. Raises ConfigError as `load_config`."""
    return set(_given(path))


def parse_config(given: dict[str, Any], where: str = "configuration") -> ValuationConfig:
    """The configuration in a dict. Raises one ConfigError that names every problem by its key.

    Use it from Python, too: `ValuationConfig(...)` raises pydantic's own error instead.
    """
    return parse_config_as(ValuationConfig, given, where)


def parse_config_as(model: type[Config], given: dict[str, Any], where: str = "configuration") -> Config:
    """The same for another configuration model."""
    refuse_secrets(given, where)
    try:
        return model.model_validate(given)
    except ValidationError as error:
        lines = [f"  {_explain(problem, model)}" for problem in error.errors()]
        raise ConfigError(f"{where}: {len(lines)} problem(s)\n" + "\n".join(lines)) from error


def anchor_paths(given: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The same configuration with relative local paths made absolute against `folder`."""
    anchored = {key: dict(value) if isinstance(value, dict) else value for key, value in given.items()}
    for field in PATH_FIELDS:
        holder = anchored if len(field) == 1 else anchored.get(field[0])
        if not isinstance(holder, dict):
            continue
        # A hub name such as org/model is no path: only existing paths, and those that begin with a dot, are made absolute.
        is_model, found = field[0] in ("backbone", "generator"), holder.get(field[-1])
        if isinstance(found, dict):
            holder[field[-1]] = {name: _anchored(text, folder, is_model) for name, text in found.items()}
        elif isinstance(found, list):
            holder[field[-1]] = [_anchored(text, folder, is_model) for text in found]
        elif found is not None:
            holder[field[-1]] = _anchored(found, folder, is_model)
    return anchored


def _anchored(text: Any, folder: Path, is_model: bool) -> Any:
    if not isinstance(text, str) or not text.strip() or "://" in text or text == "byte":
        return text
    if is_model and not text.startswith(".") and not (folder / text).exists():
        return text
    return str((folder / text).resolve())


def _explain(problem: Any, model: type[BaseModel]) -> str:
    key = ".".join(str(part) for part in problem["loc"]) or "(whole file)"
    if problem["type"] in ("extra_forbidden", "literal_error") and (instead := remedy(key, problem["input"])) is not None:
        what = key if problem["type"] == "extra_forbidden" else f"{key}: {problem['input']}"
        return f"{what}: was removed. {instead}."
    if problem["type"] == "extra_forbidden":
        known = _known_keys(problem["loc"][:-1], model)
        similar = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
        hint = f"Did you mean `{similar[0]}`?" if similar else f"Known keys: {', '.join(known)}."
        return f"{key}: unknown key. {hint}"
    if problem["type"] == "missing":
        return f"{key}: is missing. Add it; `mixval init DIR` writes a commented example."
    return f"{key}: {problem['msg'].removeprefix('Value error, ')} (found {problem.get('input')!r})"[:400]


def _known_keys(loc: tuple[Any, ...], model: type[BaseModel]) -> list[str]:
    for part in loc:
        field = model.model_fields.get(str(part))
        found = [t for t in _types(field.annotation) if isinstance(t, type) and issubclass(t, BaseModel)] if field else []
        if not found:
            return []
        model = found[0]
    return list(model.model_fields)


def _types(annotation: Any) -> tuple[Any, ...]:
    return getattr(annotation, "__args__", (annotation,))
