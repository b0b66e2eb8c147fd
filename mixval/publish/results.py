"""What a valuation publishes, as one frozen bundle: its tables, the gate's results, and the manifest that describes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from mixval.publish.manifest import Manifest


@dataclass(frozen=True, kw_only=True)
class ValuationResults:
    """A valuation's results; outcomes and warnings are in the manifest."""

    manifest: Manifest
    ranking: pa.Table
    """Schema `ranking_schema()`."""
    terms: pa.Table
    """Schema `terms_schema()`."""
    rejected: pa.Table
    """Schema `REJECTED`."""
    coalitions: pa.Table | None = None
    """Schema `COALITIONS`. None for a run without values of coalitions."""
    redundancy: pa.Table | None = None
    """Schema `REDUNDANCY`, likewise."""
    parts: pa.Table | None = None
    """Schema `PARTS_TABLE`. None for a run without values of parts."""
    mixture: pa.Table | None = None
    """Schema `MIXTURE`, likewise."""
    mixture_best: pa.Table | None = None
    """Schema `MIXTURE_BEST`, likewise."""
    groups: pa.Table | None = None
    """Schema `GROUPS`. None for a run whose rows are not grouped."""
    corpora: pa.Table | None = None
    """Schema `CORPORA`. None for a run that counts no tokens."""
    truncation: pa.Table | None = None
    """Schema `TRUNCATION`. None for a run that does not say where synthetic rows stop."""


@dataclass(frozen=True)
class GateResults:
    """Great Expectations' results for each contributor."""

    validations: Mapping[str, Sequence[dict[str, Any]]]
    """Contributor -> its validation results, JSON values."""
    read_page: Callable[[str], bytes] | None
    """Reads a contributor's page of the Data Docs, one at a time since there may be thousands. None where none were made."""


@dataclass(frozen=True, kw_only=True)
class PublishedValuation(ValuationResults):
    """All that the writers of a valuation's run are given."""

    gate: GateResults
