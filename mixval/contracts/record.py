"""Artifacts: their location, inputs and contents."""

from typing import Any

from pydantic import Field

from mixval.config.base import FrozenModel


class ArtifactRef(FrozenModel):
    """A committed artifact by kind and fingerprint, below one output root."""

    kind: str
    fingerprint: str
    root: str
    """URL of the output root."""


class ArtifactFile(FrozenModel):
    """One data file as it was written."""

    size_bytes: int
    digest: str
    """`mixval.contracts.sealed.content_sha256` of its content."""


class ArtifactRecord(FrozenModel):
    """The record of an artifact, written last into its folder: an artifact without one does not exist."""

    ref: ArtifactRef
    inputs: dict[str, Any]
    """What went into the fingerprint."""
    numbers: dict[str, float | int | str | None] = Field(default_factory=dict)
    """Scalars of the result, with their diagnostics."""
    files: dict[str, ArtifactFile] = Field(default_factory=dict)
    """Data files, by their path below `folder`."""
    folder: str = ""
    """Folder beside the record that holds the files. Named by their content, so that concurrent commits do not mix theirs."""
    seconds: float = 0.0
    """Wall seconds that making it took."""
    peak_bytes: int = 0
    """Peak resident bytes of the process that made it."""
    created: str = ""
    """UTC, ISO 8601."""
    mixval_version: str = ""
    seal: str = ""
    """Digest of all the rest, see `mixval.contracts.sealed`. None was written by versions of mixval before it."""
