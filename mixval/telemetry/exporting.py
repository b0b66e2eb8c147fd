"""Where metrics go: a file beside the output, a folder that a node exporter reads, or a push gateway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256

from prometheus_client import CollectorRegistry, generate_latest, push_to_gateway, pushadd_to_gateway

from mixval.config.runtime import Telling
from mixval.storage.records import read_if_there
from mixval.storage.root import Location, open_location
from mixval.telemetry.facts import Sample
from mixval.telemetry.metrics import last_success, registry_of

FOLDER = "telemetry"
"""Below an output."""
PUSH_SECONDS = 5.0
JOB = "mixval"


def export(
    telling: Telling, output: Location, flow: str, samples: Mapping[str, Sequence[Sample]], succeeded: float | None
) -> None:
    """Write or push the metrics of a run; `succeeded` is when it ended well, None where it did not."""
    common = {"flow": flow, "output": output.url}
    if telling.metrics == "none":
        return
    if telling.metrics.startswith(("http://", "https://")):
        _push(telling.metrics, common, registry_of(common, samples, succeeded), succeeded is not None)
        return
    file = metrics_file(telling, output, flow)
    if succeeded is None and (before := read_if_there(file)) is not None:
        succeeded = last_success(before.decode())
    file.write_bytes(generate_latest(registry_of(common, samples, succeeded)))  # whole, on every store


def metrics_file(telling: Telling, output: Location, flow: str) -> Location:
    """The file that a run of this flow on this output writes: `OUTPUT/telemetry/FLOW.prom`, or one in the folder given."""
    if telling.metrics == "textfile":
        return output.child(FOLDER, f"{flow}.prom")
    name = sha256(output.url.encode()).hexdigest()[:8]  # several outputs may share the folder
    return open_location(telling.metrics).child(f"mixval-{flow}-{name}.prom")


def _push(gateway: str, common: Mapping[str, str], registry: CollectorRegistry, succeeded: bool) -> None:
    """Replace the group's metrics; after a failure those alone that are given, so that the last success stays."""
    send = push_to_gateway if succeeded else pushadd_to_gateway
    send(gateway, JOB, registry, grouping_key=dict(common), timeout=PUSH_SECONDS)
