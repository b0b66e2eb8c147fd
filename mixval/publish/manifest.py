"""The manifest: inputs of a run, its decisions, and what is needed to run it again."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from mixval.config.base import FrozenModel
from mixval.config.url_secrets import stripped_url
from mixval.contracts.coalitions import CoalitionAccount
from mixval.contracts.outcomes import GateOutcome
from mixval.contracts.plan import ContributorPlan, ShardRef
from mixval.contracts.record import ArtifactRef
from mixval.contracts.schemas import SCHEMAS
from mixval.contracts.warnings import RunWarning
from mixval.publish.run_manifest import RunManifest, parse_manifest


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
    """Where they come from: the rule's formula, or the calibration of fitted weights."""
    dropped: list[str] = Field(default_factory=list)
    """Terms left out as uninformative."""


class Manifest(RunManifest):
    """Stored next to the ranking as `manifest.json`. Contains no secrets."""

    flow: Literal["valuation"] = "valuation"
    schema_version: int = SCHEMAS["manifest"].version
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
    """Kind of artifact -> how many were reused."""
    weights: WeightsUsed
    paper_deviations: list[str] = Field(default_factory=list)
    """One sentence for each deviation from the published method."""
    warnings: list[RunWarning] = Field(default_factory=list)
    coalitions: CoalitionAccount | None = None
    """How the values of coalitions were computed. None for a run without coalitions.parquet and redundancy.parquet."""
    artifacts: list[ArtifactRef] = Field(default_factory=list)
    """Committed artifacts that the ranking was made from."""


def read_manifest(text: str | bytes, where: str) -> Manifest:
    """The manifest in `manifest.json`; `where` is its URL, for the message.

    Raises as `parse_manifest`.
    """
    return parse_manifest(Manifest, "manifest", text, where)


def input_shards(plan: ContributorPlan) -> list[InputShard]:
    """A contributor's shards as entries of the manifest."""
    return [_input_shard(shard) for shard in plan.shards]


def _input_shard(shard: ShardRef) -> InputShard:
    return InputShard(url=shard.url, name=shard.name, size_bytes=shard.size_bytes, digest=shard.digest, n_rows=shard.n_rows)
