"""The backbone of a worker process: loaded once, kept until another one is asked for."""

import torch

from mixval.config.fingerprint import fingerprint
from mixval.models.backbone import Backbone
from mixval.models.load import load_backbone
from mixval.stages.jobs import MeasureJob

_RESIDENT: dict[str, Backbone] = {}


def resident_backbone(job: MeasureJob) -> Backbone:
    """The job's backbone on its device. One is kept at a time, so that memory does not grow over runs."""
    device = pick_device(job.device)
    name = fingerprint("resident", 1, **job.model_key(), device=device)
    if name not in _RESIDENT:
        _RESIDENT.clear()
        if device.startswith("cuda"):
            # cuDNN's own default is TF32, good to 1e-3; whoever prefers speed asks for `backbone.dtype: bfloat16`.
            torch.backends.cudnn.allow_tf32 = False
        _RESIDENT[name] = load_backbone(job.backbone, job.task, job.classes, device)
    return _RESIDENT[name]


def pick_device(wanted: str) -> str:
    """`cuda` or `cpu`; `auto` takes the GPU that the process sees, if any."""
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wanted
