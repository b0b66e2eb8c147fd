"""Fields of every run's manifest, whatever the flow, and how a manifest is read back or refused by version."""

from __future__ import annotations

import json
from contextlib import suppress
from functools import cache
from importlib import metadata
from typing import Any, TypeVar

from pydantic import Field, ValidationError, field_validator

from mixval import __version__
from mixval.config.base import FrozenModel
from mixval.config.url_secrets import stripped_url
from mixval.contracts.json_text import read_json
from mixval.contracts.schemas import SCHEMAS, older, refuse_versions
from mixval.contracts.sealed import SEAL, is_whole, sealed
from mixval.errors import ContractError, DamagedRunError
from mixval.publish.redaction import publishable

MANIFEST = "manifest.json"
FIRST_FLOW = "valuation"
"""Whose manifest one without `flow` is: manifests of schema version 1 did not name it, and no other flow had any."""
PACKAGES = (
    "torch",
    "transformers",
    "tokenizers",
    "peft",
    "numpy",
    "scipy",
    "pyarrow",
    "pandas",
    "great-expectations",
    "prefect",
    "dask",
    "distributed",
    "fsspec",
    "pydantic",
)


class RunManifest(FrozenModel):
    """Stored in the run's folder as `manifest.json`. Contains no secrets."""

    flow: str
    """Name of the flow that made the run."""
    schema_version: int
    """As in `mixval/contracts/schemas.py`."""
    run_id: str
    fingerprint: str
    """Of configuration and inputs: the same one means the same results."""
    created: str
    """UTC, ISO 8601."""
    mixval_version: str = __version__
    versions: dict[str, str] = Field(default_factory=dict)
    """Package -> version, and `python`."""
    files: dict[str, str] = Field(default_factory=dict)
    """Published file, by its path below the run's folder -> SHA-256 of its content. Empty in manifests before they had it."""
    config: dict[str, Any]
    """The resolved configuration; the same one runs it again."""

    @field_validator("config", mode="before")
    @classmethod
    def _no_secrets(cls, config: Any) -> Any:
        return publishable(config)

    def to_json(self) -> str:
        """Readable JSON with sorted keys and a seal; the same manifest gives the same text."""
        entries = sealed(self.model_dump(mode="json"))
        return json.dumps(entries, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


AnyManifest = TypeVar("AnyManifest", bound=RunManifest)


def parse_manifest(model: type[AnyManifest], schema: str, text: str | bytes, where: str) -> AnyManifest:
    """The manifest in `manifest.json`, of the version in `SCHEMAS[schema]`; `where` is its URL, for the message.

    Raises:
        SchemaVersionError: it is of a version that this mixval does not read.
        DamagedRunError: it is no manifest, or not as it was written.
        ContractError: it is one of another flow's run.
    """
    where = stripped_url(where)
    given = _json_object(text, where)
    of_flow, wanted = given.get("flow", FIRST_FLOW), model.model_fields["flow"].default
    if of_flow != wanted:
        raise ContractError(f"{where}: expected a run of the flow `{wanted}`, found one of `{of_flow}`. Give another URL.")
    found = given.get("schema_version")
    if isinstance(found, int):
        refuse_versions(schema, found, where, _writer(given))
    if SEAL in given or found == SCHEMAS[schema].version:
        if not is_whole(given):
            raise DamagedRunError(f"{where}: expected a manifest as it was sealed, found another content. {_again(schema)}")
        del given[SEAL]
    try:
        return model.model_validate(given)
    except ValidationError as error:
        fault = _fault(error)
        if isinstance(found, int) and found < SCHEMAS[schema].version:
            raise older(schema, found, where, fault) from error
        raise DamagedRunError(
            f"{where}: expected a manifest of mixval {__version__}, found {fault}; it was written by {_writer(given)}. Read it "
            f"with that version, or run `{SCHEMAS[schema].made_by}` again."
        ) from error


def _again(schema: str) -> str:
    return f"Run `{SCHEMAS[schema].made_by}` again: it is published again."


def _json_object(text: str | bytes, where: str) -> dict[str, Any]:
    try:
        given = read_json(text)
    except (ValueError, ContractError) as error:
        raise DamagedRunError(f"{where}: expected a manifest, found no JSON ({error}). Run again.") from error
    if not isinstance(given, dict):
        raise DamagedRunError(f"{where}: expected a manifest, found {type(given).__name__}. Run again.")
    return given


def _fault(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"]) or "(whole file)"
    return f"an unknown field `{key}`" if first["type"] == "extra_forbidden" else f"at `{key}`: {first['msg']}"


def _writer(given: dict[str, Any]) -> str:
    return f"mixval {given['mixval_version']}" if "mixval_version" in given else "a mixval of unknown version"


def resolved_config(config: FrozenModel) -> dict[str, Any]:
    """The configuration as JSON values, presets filled in, URLs stripped.

    Raises:
        ConfigError: it contains what looks like a secret.
    """
    cleaned = publishable(config.model_dump(mode="json"))
    return dict(cleaned)


def package_versions() -> dict[str, str]:
    """Installed versions of the packages that can change a number, and Python's."""
    import platform

    found = {"python": platform.python_version()}
    return found | _installed()


@cache
def _installed() -> dict[str, str]:
    """Read once a process: a process computes with what it has imported."""
    found = {}
    for name in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
