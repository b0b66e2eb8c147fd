"""What the manifest of every run says, whatever the flow, and how a manifest is read back or refused by name."""

from __future__ import annotations

import json
from contextlib import suppress
from importlib import metadata
from typing import Any, TypeVar

from pydantic import Field, ValidationError, field_validator

from mixval import __version__
from mixval.config.base import FrozenModel
from mixval.errors import ContractError
from mixval.publish.redaction import publishable, stripped_url

MANIFEST = "manifest.json"
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
    """Lies in the run's folder as `manifest.json`. Holds no secrets."""

    schema_version: int
    run_id: str
    fingerprint: str
    """Of configuration and inputs: the same one means the same results."""
    created: str
    """UTC, ISO 8601."""
    mixval_version: str = __version__
    versions: dict[str, str] = Field(default_factory=dict)
    """Package -> version, and `python`."""
    config: dict[str, Any]
    """The resolved configuration; give it back to run again."""

    @field_validator("config", mode="before")
    @classmethod
    def _no_secrets(cls, config: Any) -> Any:
        return publishable(config)

    def to_json(self) -> str:
        """Readable JSON with sorted keys; the same manifest gives the same text."""
        return json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


AnyManifest = TypeVar("AnyManifest", bound=RunManifest)


def parse_manifest(model: type[AnyManifest], text: str, where: str) -> AnyManifest:
    """The manifest in `manifest.json`; `where` is its URL, for the message.

    Raises:
        ContractError: it is not one.
    """
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "(whole file)"
        raise ContractError(
            f"{stripped_url(where)}: expected a manifest of this version, found at {key}: {first['msg']}. "
            "Run the valuation again."
        ) from error


def resolved_config(config: FrozenModel) -> dict[str, Any]:
    """The configuration as JSON values, presets filled in, URLs stripped.

    Raises:
        ConfigError: it holds what looks like a secret.
    """
    cleaned = publishable(config.model_dump(mode="json"))
    return dict(cleaned)


def package_versions() -> dict[str, str]:
    """Installed versions of the packages that can change a number, and Python's."""
    import platform

    found = {"python": platform.python_version()}
    for name in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
