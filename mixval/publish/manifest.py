"""The manifest: what a run was made from, what it decided, and what a reader needs to run it again."""

from __future__ import annotations

import json
from contextlib import suppress
from importlib import metadata
from typing import Any

from pydantic import Field, ValidationError, field_validator

from mixval import __version__
from mixval.config.base import FrozenModel
from mixval.config.valuation import ValuationConfig
from mixval.contracts.coalitions import CoalitionAccount
from mixval.contracts.outcomes import GateOutcome
from mixval.contracts.plan import ContributorPlan, ShardRef
from mixval.contracts.record import ArtifactRef
from mixval.errors import ContractError
from mixval.publish.doubts import Doubt
from mixval.publish.redaction import publishable, stripped_url

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


class InputShard(FrozenModel):
    """One Parquet file as it was read."""

    url: str
    """Without user, password or query."""
    name: str
    size_bytes: int
    digest: str
    n_rows: int

    @field_validator("url")
    @classmethod
    def _stripped(cls, url: str) -> str:
        return stripped_url(url)


class WeightsUsed(FrozenModel):
    """The weights w1 to w4 of Eq. 8 that the values were made with."""

    rule: str
    """Name of the rule, as in the configuration."""
    values: dict[str, float]
    """Term -> weight. A term that was left out has 0."""
    provenance: str
    """Where they come from, in words: the rule's formula, or the calibration behind a fit."""
    dropped: list[str] = Field(default_factory=list)
    """Terms left out as uninformative."""


class Manifest(FrozenModel):
    """Lies beside the ranking as `manifest.json`. Holds no secrets."""

    schema_version: int = 1
    run_id: str
    fingerprint: str
    """Of configuration and inputs: the same one means the same ranking."""
    created: str
    """UTC, ISO 8601."""
    mixval_version: str = __version__
    versions: dict[str, str] = Field(default_factory=dict)
    """Package -> version, and `python`."""
    config: dict[str, Any]
    """The resolved configuration; give it back to run again."""
    inputs: dict[str, list[InputShard]]
    """Contributor -> its shards, in order."""
    target: list[InputShard]
    outcomes: list[GateOutcome] = Field(default_factory=list)
    """Admitted, rejected and failed add up to the contributors planned."""
    seeds: dict[str, int] = Field(default_factory=dict)
    timings_seconds: dict[str, float] = Field(default_factory=dict)
    """Stage -> wall seconds."""
    recomputed: dict[str, int] = Field(default_factory=dict)
    """Kind of artifact -> how many were made in this run."""
    reused: dict[str, int] = Field(default_factory=dict)
    """Kind of artifact -> how many were found as they were."""
    weights: WeightsUsed
    departures: list[str] = Field(default_factory=list)
    """Choices that are not the published method's own, in words."""
    doubts: list[Doubt] = Field(default_factory=list)
    coalitions: CoalitionAccount | None = None
    """How the values of unions came about. None for a run without coalitions.parquet and redundancy.parquet."""
    artifacts: list[ArtifactRef] = Field(default_factory=list)
    """Committed artifacts that the ranking was made from."""

    @field_validator("config", mode="before")
    @classmethod
    def _no_secrets(cls, config: Any) -> Any:
        return publishable(config)

    def to_json(self) -> str:
        """Readable JSON with sorted keys; the same manifest gives the same text."""
        return json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def read_manifest(text: str, where: str) -> Manifest:
    """The manifest in `manifest.json`; `where` is its URL, for the message.

    Raises:
        ContractError: it is not one.
    """
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "(whole file)"
        raise ContractError(
            f"{stripped_url(where)}: expected a manifest of this version, found at {key}: {first['msg']}. "
            "Run the valuation again."
        ) from error


def resolved_config(config: ValuationConfig) -> dict[str, Any]:
    """The configuration as JSON values, presets filled in, URLs stripped.

    Raises:
        ConfigError: it holds what looks like a secret.
    """
    cleaned = publishable(config.model_dump(mode="json"))
    return dict(cleaned)


def input_shards(plan: ContributorPlan) -> list[InputShard]:
    """A contributor's shards as the manifest holds them."""
    return [_input_shard(shard) for shard in plan.shards]


def package_versions() -> dict[str, str]:
    """Installed versions of the packages that can change a number, and Python's."""
    import platform

    found = {"python": platform.python_version()}
    for name in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _input_shard(shard: ShardRef) -> InputShard:
    return InputShard(url=shard.url, name=shard.name, size_bytes=shard.size_bytes, digest=shard.digest, n_rows=shard.n_rows)
