"""All attacks by name: what a contributor can do to raise its score without adding value.

    from benchmarks.evidence.attacks.catalogue import ATTACKS, AttackerView
    altered = ATTACKS["pad-duplicates"].apply(table, AttackerView(task="text-classification"), strength=1.0, seed=0)

What an attacker must have access to is declared here; own rows, and how rows are scored, are always known. The gain of an
attack, and what detects it, are measured by `benchmarks/evidence/attacks/run.py`.
"""

from __future__ import annotations

from benchmarks.evidence.attacks import features, labels, rows
from benchmarks.evidence.attacks.attack import Attack, AttackerView, Knowledge
from mixval.config.tasks import Task
from mixval.errors import ConfigError

__all__ = ["ATTACKS", "Attack", "AttackerView", "Knowledge", "attack_named", "attacks_for"]

_TARGET: frozenset[Knowledge] = frozenset({"target"})
_DONOR: frozenset[Knowledge] = frozenset({"donor"})
_BACKBONE: frozenset[Knowledge] = frozenset({"backbone"})

_ALL: tuple[Attack, ...] = (
    Attack("copy-target", rows.copy_target, 0.5, "rows of the target set are copied in", _TARGET, is_copy=True),
    Attack(
        "copy-target-altered",
        rows.copy_target_altered,
        0.5,
        "rows of the target set are copied in, a pixel or a blank altered",
        _TARGET,
        is_copy=True,
    ),
    Attack("copy-other", rows.copy_other, 0.5, "the best contributor's rows are copied in", _DONOR, is_copy=True),
    Attack(
        "copy-other-altered",
        rows.copy_other_altered,
        0.5,
        "the best contributor's rows are copied in, a pixel or a blank altered",
        _DONOR,
        is_copy=True,
    ),
    Attack("pad-duplicates", rows.pad_duplicates, 1.0, "every own row is repeated", is_copy=True),
    Attack("pad-altered", rows.pad_altered, 1.0, "every own row is repeated, a pixel or a blank altered", is_copy=True),
    Attack("drop-hard", rows.drop_hard, 0.3, "rows of the highest loss under the backbone are left out", _BACKBONE),
    Attack(
        "soften-labels",
        labels.soften_labels,
        0.3,
        "rows of the highest loss get the backbone's own labels or answers",
        _BACKBONE,
    ),
    Attack("model-labels", labels.model_labels, 1.0, "all rows get the backbone's own labels or answers", _BACKBONE),
    Attack(
        "adversarial-features",
        features.adversarial_features,
        1.0,
        "inputs are moved towards the target set's features, by pixels hardly seen or by appended words",
        _TARGET | _BACKBONE,
    ),
    Attack("overstate-real", rows.overstate_real, 1.0, "synthetic rows are declared real"),
    Attack("overstate-synthetic", rows.overstate_synthetic, 1.0, "real rows are declared synthetic"),
)
ATTACKS: dict[str, Attack] = {attack.name: attack for attack in _ALL}


def attack_named(name: str) -> Attack:
    """The attack. Raises ConfigError for a name that is none."""
    if name not in ATTACKS:
        raise ConfigError(f"expected an attack, one of {', '.join(ATTACKS)}, found {name!r}.")
    return ATTACKS[name]


def attacks_for(task: Task) -> list[Attack]:
    """All attacks that apply to the task."""
    return [attack for attack in ATTACKS.values() if task in attack.tasks]
