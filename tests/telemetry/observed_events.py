"""Reads what a run has told: metrics by Prometheus' own parser, events as OpenLineage's client takes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import jsonschema
from openlineage.client.event_v2 import RunState
from prometheus_client.parser import text_string_to_metric_families

from mixval.telemetry.metrics import METRICS

ROOT = Path(__file__).parents[2]
FACET = json.loads((ROOT / "deployments" / "openlineage" / "valuation-run-facet.schema.json").read_text(encoding="utf-8"))
FACETS = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "required": ["_producer", "_schemaURL"],
        "properties": {"_producer": {"format": "uri"}, "_schemaURL": {"type": "string", "format": "uri"}},
    },
}
DATASET = {
    "type": "object",
    "required": ["namespace", "name"],
    "properties": {
        "namespace": {"type": "string", "minLength": 1},
        "name": {"type": "string", "minLength": 1},
        "facets": FACETS | {"required": ["version"]},
        "inputFacets": FACETS,
    },
}
EVENT = {
    "type": "object",
    "required": ["eventTime", "producer", "schemaURL", "eventType", "run", "job"],
    "properties": {
        "eventTime": {"type": "string", "format": "date-time"},
        "eventType": {"enum": [one.value for one in RunState]},
        "schemaURL": {"pattern": "OpenLineage.json#/\\$defs/RunEvent$"},
        "run": {"required": ["runId"], "properties": {"facets": FACETS}},
        "job": {"required": ["namespace", "name"], "properties": {"facets": FACETS}},
        "inputs": {"type": "array", "items": DATASET},
        "outputs": {"type": "array", "items": DATASET},
    },
}
"""What the specification asks of a run event, in so far as every consumer needs it."""


def metrics_in(file: Path) -> dict[str, dict[tuple[str, ...], float]]:
    """Metric -> its own labels' values -> number. Each is one of ours, with flow and output."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(file.read_text(encoding="utf-8")):
        assert family.documentation == METRICS[family.name].help
        for sample in family.samples:
            assert {"flow", "output"} <= set(sample.labels)
            own = tuple(sample.labels[name] for name in METRICS[family.name].labels)
            found.setdefault(family.name, {})[own] = sample.value
    return found


def events_in(folder: Path) -> list[dict[str, Any]]:
    """All events below a folder of lineage, in order, each as the specification wants it."""
    lines = [line for file in sorted(folder.glob("*.jsonl")) for line in file.read_text(encoding="utf-8").splitlines()]
    events = [json.loads(line) for line in lines]
    for event in events:
        jsonschema.validate(event, EVENT, format_checker=jsonschema.FormatChecker())
        UUID(event["run"]["runId"])
        if (facet := event["run"]["facets"].get("mixval_valuation")) is not None:
            jsonschema.validate(facet, FACET)
    return events
