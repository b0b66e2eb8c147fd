"""Additional sections of the evidence page: ablations, stability and attacks."""

from __future__ import annotations

from benchmarks.evidence.attacks.section import attack_sections
from benchmarks.evidence.stored import Studies
from benchmarks.evidence.studies.section import ablation_sections, stability_sections
from mixval.evidence.page.section import Section


def sections(studies: Studies) -> list[Section]:
    """Of all that is stored, in the order that the page shows it; none for no studies."""
    return [
        *ablation_sections(studies.ablations),
        *stability_sections(studies.stabilities),
        *attack_sections(studies.attacks),
    ]
