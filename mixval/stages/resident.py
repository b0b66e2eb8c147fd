"""The backbone of a worker process: loaded once, kept until another one is asked for."""

import torch

from mixval.config.fingerprint import fingerprint
from mixval.errors import ChangedFileError
from mixval.models.backbone import Backbone
from mixval.models.identity import backbone_identity
from mixval.models.load import load_backbone
from mixval.stages.jobs import MeasureJob
from mixval.stages.kept import LastMade

RESIDENT = LastMade[Backbone]()


def resident_backbone(job: MeasureJob) -> Backbone:
    """The job's backbone on its device. One is kept at a time, so that memory does not grow over runs."""
    return RESIDENT.get(resident_name(job), lambda: _load(job, pick_device(job.device)))


def resident_name(job: MeasureJob) -> str:
    """The name of the job's backbone in the cache: its content and its device."""
    return fingerprint("resident", 1, **job.model_key(), device=pick_device(job.device))


def _load(job: MeasureJob, device: str) -> Backbone:
    if device.startswith("cuda"):
        # cuDNN's own default is TF32, accurate to 1e-3; `backbone.dtype: bfloat16` is there for speed.
        torch.backends.cudnn.allow_tf32 = False
    _require_planned(job)
    backbone = load_backbone(job.backbone, job.task, job.classes, device)
    _require_planned(job)  # what was loaded lay there between two looks; files that were not touched are hashed once
    return backbone


def _require_planned(job: MeasureJob) -> None:
    if backbone_identity(job.backbone, job.task, job.classes) != job.identity:
        raise ChangedFileError(
            f"backbone {job.backbone.path or job.backbone.tokenizer}: expected the files that the plan named by their content, "
            "found others. Nothing is measured with them. Leave them alone during a run, and run again."
        )


def pick_device(wanted: str) -> str:
    """`cuda` or `cpu`; `auto` takes the first GPU visible to the process, if any."""
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wanted
