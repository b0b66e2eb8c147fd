"""One architecture through the product: a tiny random checkpoint is saved, loaded, asked for losses and for gradients."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import torch
from tokenizers import processors

from benchmarks.families.listed import SMALL, Tried
from mixval.config.backbone import BackboneConfig, LoraConfig
from mixval.config.tasks import PARAMETERS, Task, spec_of
from mixval.errors import MixvalError, NumericalError
from mixval.models.backbone import Backbone
from mixval.models.load import load_backbone
from mixval.models.tokenizers import byte_tokenizer
from mixval.terms.ntk.capture import capture
from mixval.terms.ntk.kinds import select_parameters

BY_WEIGHTS, BY_ADAPTERS, REFUSED = "gradients by weights", "gradients by LoRA only", "refused"
CLASSES = [0, 1]


@dataclass(frozen=True)
class Found:
    """What became of one architecture."""

    family: str
    task: str
    saved_as: str
    outcome: str
    """One of the three above."""
    head: str
    """`own`, `new`, or empty where it was not loaded."""
    rows: str
    """`in batches`, `one by one`, or empty."""
    lora: bool
    """Whether gradients by LoRA on `all-linear` can be taken."""
    why: str
    """What mixval says of what it refused first: of the load, of the weights, else of the adapters."""


def examine(tried: Tried) -> Found:
    """Save, load and measure. What is no error of mixval's tree is raised: it is a fault."""
    with tempfile.TemporaryDirectory(prefix="mixval-family-") as made:
        folder = Path(made) / "checkpoint"
        save(tried, folder)
        loaded, _, refused = _gradients(tried, folder, PARAMETERS, None)
        _, by_lora, no_adapters = _gradients(tried, folder, ("lora",), LoraConfig(rank=2))
        why = (refused or no_adapters).replace(str(folder), "FOLDER")
    outcome = BY_WEIGHTS if not refused else BY_ADAPTERS if by_lora else REFUSED
    head = "" if loaded is None else "new" if "new-head" in loaded.notes else "own"
    rows = "" if loaded is None else "one by one" if loaded.is_alone else "in batches"
    return Found(tried.model_type, tried.task, tried.saved_as, outcome, head, rows, by_lora, why)


def save(tried: Tried, folder: Path) -> None:
    """Write the checkpoint, its weights a function of a seed, with a tokenizer of bytes."""
    import transformers

    default = transformers.AutoConfig.for_model(tried.model_type)
    known = {*default.to_dict(), *type(default).attribute_map}
    # Sizes by stage are lists in some architectures, and have no small default here.
    fits = {name: value for name, value in SMALL.items() if name in known and not _is_list(default, name)}
    config = transformers.AutoConfig.for_model(tried.model_type, **{**fits, **tried.settings})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = getattr(transformers, tried.saved_as)(config)
    model.save_pretrained(folder)
    if spec_of(tried.task).is_text:
        _tokenizer(has_end=bool(config.is_encoder_decoder)).save_pretrained(folder)


def _is_list(config: Any, name: str) -> bool:
    return isinstance(getattr(config, name, None), list | tuple)


def _tokenizer(has_end: bool) -> Any:
    """Bytes; with an end token after a text for models that read it (BART, T5)."""
    tokenizer = byte_tokenizer()
    if has_end:
        parts = [("<bos>", 257), ("<eos>", 258)]
        tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
            single="<bos> $A <eos>", special_tokens=parts
        )
    return tokenizer


def _gradients(tried: Tried, folder: Path, kinds: Sequence[str], lora: LoraConfig | None) -> tuple[Backbone | None, bool, str]:
    """The backbone where it loads, whether gradients were taken and agree with autograd's, and else why not."""
    backbone: Backbone | None = None
    task = cast("Task", tried.task)
    try:
        classes = CLASSES if spec_of(tried.task).has_labels else None
        backbone = load_backbone(BackboneConfig(path=str(folder), max_length=64, lora=lora), task, classes)
        found = backbone
        table = rows(tried.task)
        batch = found.encode(table.slice(0, found.rows_a_pass(table.num_rows)))
        with torch.no_grad():
            losses, _ = found.losses(found.forward(batch), batch)
        if not bool(torch.isfinite(losses).all()):
            raise NumericalError(f"losses must be finite, found {losses.tolist()}. Choose another architecture.")

        def scalar(given: dict[str, torch.Tensor]) -> torch.Tensor:
            return found.output(found.forward(given), given, "log-probability")

        capture(found.module, select_parameters(found.module, kinds), scalar, [batch])
    except MixvalError as error:
        return backbone, False, str(error)
    return backbone, True, ""


def rows(task: str) -> pa.Table:
    """Four rows of the task, of different lengths."""
    spec = spec_of(task)
    if spec.has_prompt:
        asked = ["What is 2 + 2?", "Say hi", "Name a long river in South America", "And now?"]
        return pa.table({"prompt": asked, "response": ["4", "hi there", "Amazon", "nothing"]})
    labels = [1, 0, 0, 1]
    if spec.is_text:
        return pa.table({"text": ["a fine film", "no", "thin plot, thinner acting", "zwölf €"], "label": labels})
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    return pa.table({"image": pa.FixedShapeTensorArray.from_numpy_ndarray(pixels), "label": labels})
