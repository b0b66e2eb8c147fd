"""What a checkpoint calls its outputs (`id2label`), held against what the target set calls its labels. Needs no torch."""

from __future__ import annotations

from mixval.config.backbone import Head
from mixval.contracts.class_names import ClassNames, first_disagreement, is_reordered, named
from mixval.errors import ModelError
from mixval.models.checkpoint import locate, raw_config


def output_names_doubt(path: str | None, revision: str | None, head: Head, class_names: ClassNames) -> str | None:
    """A doubt in words where checkpoint and target name a label differently; None where they agree or one names nothing.

    `path` and `revision` name the checkpoint, None where there is none, and `head` is `backbone.head`. None too where the
    checkpoint's head is not used: `head` is `new`, or it has another number of classes.

    A checkpoint's outputs are its labels, so in another order every loss is one of the wrong class: ModelError then.
    """
    if path is None or not class_names or head == "new":
        return None
    names = named(raw_config(locate(path, revision)).get("id2label"))
    if head == "auto" and len(names) != len(class_names):
        return None
    label = first_disagreement(names, class_names)
    if label is None:
        return None
    found = f"output {label} of the checkpoint is {names[label]!r}, and label {label} of the target {class_names[label]!r}"
    if is_reordered(names, class_names, label):
        raise ModelError(
            f"checkpoint {path}: outputs and labels must be the same classes in one order; by their own names {found}. "
            "Renumber the labels of target and contributors in the checkpoint's order (`id2label` in config.json), or "
            "correct the names where they are wrong. `backbone.head: new` takes a new head in place of the checkpoint's."
        )
    return f"By their own names {found}: make sure that they are the same class, as losses are computed by the number alone."
