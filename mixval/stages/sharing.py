"""Rows that contributors share with each other, or nearly repeat, found from the digests and prints that the gate committed."""

from collections.abc import Mapping, Sequence

from mixval.config.valuation import ValuationConfig
from mixval.contracts.outcomes import GateOutcome
from mixval.contracts.record import ArtifactRef
from mixval.gate.shared import MOST_COMPARED, near_copies, shared_rows
from mixval.gate.verdict import with_findings
from mixval.stages.gating import read_digests, read_prints


def compare(config: ValuationConfig, outcomes: dict[str, GateOutcome], refs: dict[str, ArtifactRef]) -> dict[str, GateOutcome]:
    """The outcomes with rows shared between contributors added, and verdicts changed where a limit is exceeded."""
    digests = {name: read_digests(config, refs[name]) for name, outcome in outcomes.items() if outcome.is_in}
    found = shared_rows(digests, config.gate)
    return {name: with_findings(outcome, found.get(name, [])) for name, outcome in outcomes.items()}


def with_near_copies(
    config: ValuationConfig, outcomes: Mapping[str, GateOutcome], refs: Mapping[str, ArtifactRef], ranked: Sequence[str]
) -> dict[str, GateOutcome]:
    """The outcomes with rows that nearly repeat another contributor's, of the `MOST_COMPARED` best-ranked ones."""
    held, printed = {}, {}
    for name in ranked[:MOST_COMPARED]:
        held[name], printed[name] = read_prints(config, refs[name])
    found = near_copies(held, printed)
    return {name: outcome.model_copy(update={"near_copies": found.get(name, {})}) for name, outcome in outcomes.items()}
