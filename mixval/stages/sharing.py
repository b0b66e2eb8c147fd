"""Rows that contributors share with each other, found from the digests that the gate committed."""

from mixval.config.valuation import ValuationConfig
from mixval.contracts.outcomes import GateOutcome
from mixval.contracts.record import ArtifactRef
from mixval.gate.shared import shared_rows
from mixval.gate.verdict import with_findings
from mixval.stages.gating import read_digests


def compare(config: ValuationConfig, outcomes: dict[str, GateOutcome], refs: dict[str, ArtifactRef]) -> dict[str, GateOutcome]:
    """The outcomes with rows shared between contributors added, and verdicts changed where a limit is exceeded."""
    digests = {name: read_digests(config, refs[name]) for name, outcome in outcomes.items() if outcome.is_in}
    found = shared_rows(digests, config.gate)
    return {name: with_findings(outcome, found.get(name, [])) for name, outcome in outcomes.items()}
