"""A name for the model in fingerprints: whatever changes its numbers is in, where and how fast it runs is not.

Needs no torch. For a random initialisation the versions of torch and transformers are in too, because there the weights
are those libraries' function of the seed; a checkpoint's weights are named by their content.
"""

import hashlib
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mixval.config.backbone import BackboneConfig
from mixval.config.tasks import Task, TaskSpec, for_modality, spec_of
from mixval.contracts import pixels
from mixval.errors import ConfigError
from mixval.models import tokenise
from mixval.models.architecture import check_architecture
from mixval.models.checkpoint import locate, raw_config

_WEIGHTS = ("config.json", "*.safetensors", "*.safetensors.index.json", "preprocessor_config.json")
_TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "*.model",
)
_CHUNK_BYTES = 1 << 22

REVISIONS = {"ngrams": 1}
"""Of mixval's own architectures, raised whenever rows have other features."""


def backbone_identity(config: BackboneConfig, task: Task, classes: list[int] | None) -> dict[str, Any]:
    """What names the model: nested dict of strings, numbers, lists and None, stable over processes and machines.

    A local folder is named by the digests of its files, never by its path; a hub name by name and revision. Raises
    ConfigError when a hub name has no revision or a text model no tokenizer, ModelError for a folder mixval will not open.
    """
    spec = spec_of(task)
    describe = for_modality(_INPUTS, spec, "an encoder")
    return {
        "task": task,
        "model": _model(config, spec, classes),
        "dtype": config.dtype,
        "lora": None if config.lora is None else config.lora.model_dump(mode="json"),
        "input": describe(config, spec),
    }


def _model(config: BackboneConfig, spec: TaskSpec, classes: list[int] | None) -> dict[str, Any]:
    if config.module is not None:
        return {"kind": "own-module", "digest": config.module}
    return _random_init(config, spec, classes) if config.random_init else _checkpoint(config, spec, classes)


def _random_init(config: BackboneConfig, spec: TaskSpec, classes: list[int] | None) -> dict[str, Any]:
    init = config.random_init
    if init is None:
        raise ConfigError("backbone.random_init must be given here; found a checkpoint.")
    check_architecture(init.architecture, spec)
    return {
        "kind": "random-init",
        **init.model_dump(mode="json"),
        "classes": sorted(classes or []) if spec.has_labels else None,
        "revision": REVISIONS.get(init.architecture),
        "libraries": {name: version(name).partition("+")[0] for name in ("torch", "transformers")},
    }


def _checkpoint(config: BackboneConfig, spec: TaskSpec, classes: list[int] | None) -> dict[str, Any]:
    checkpoint = locate(config.path or "", config.revision)
    n_classes = None if classes is None else len(set(classes))
    # Whether a new head is needed only the weights tell. What it would be is in the name either way.
    head = {"head": [config.head, config.head_seed, n_classes]} if spec.has_labels else {}
    if checkpoint.folder is None:
        return {"kind": "hub", "name": checkpoint.name, "revision": checkpoint.revision, **head}
    raw_config(checkpoint)
    own_tokenizer = config.tokenizer is None and spec.is_text
    files = file_digests(checkpoint.folder, _WEIGHTS + (_TOKENIZER if own_tokenizer else ()))
    return {"kind": "folder", "files": files, **head}


def _image_input(config: BackboneConfig, _spec: TaskSpec) -> dict[str, Any]:
    reading = {"pixels": pixels.VERSION, "image_size": config.image_size}
    return {"stem": config.stem, "batch_norm": config.batch_norm, **reading}


def _text_input(config: BackboneConfig, spec: TaskSpec) -> dict[str, Any]:
    if config.tokenizer is None and config.random_init is not None and not config.reads_bytes:
        raise ConfigError(
            "backbone.tokenizer must be `byte` or a folder with tokenizer.json: a random initialisation has none of its own."
        )
    from_checkpoint = config.path is not None and config.tokenizer is None  # among its files' digests
    return {
        "tokenizer": "checkpoint" if from_checkpoint else tokenizer_identity(config),
        "max_length": config.max_length,
        "prompt_format": config.prompt_format if spec.has_prompt else None,
        "tokens": tokenise.VERSION,
    }


def tokenizer_identity(config: BackboneConfig) -> Any:
    """What names the tokenizer: `byte`, digests of a folder's files, a hub name and revision, or the module it came with."""
    if config.reads_bytes:
        return "byte"
    if config.tokenizer is not None:
        return file_digests(tokenizer_folder(config.tokenizer), _TOKENIZER)
    if config.module is not None:
        return {"module": config.module}
    checkpoint = locate(config.path or "", config.revision)
    if checkpoint.folder is None:
        return [checkpoint.name, checkpoint.revision]
    return file_digests(checkpoint.folder, _TOKENIZER)


_INPUTS = {"image": _image_input, "text": _text_input}


def tokenizer_folder(path: str) -> Path:
    """The folder of `backbone.tokenizer`. Raises ConfigError when it holds no tokenizer.json."""
    folder = Path(path).expanduser()
    if not (folder / "tokenizer.json").is_file():
        raise ConfigError(
            f"backbone.tokenizer {path!r} must be `byte` or a folder with tokenizer.json; there is none. Save one there "
            "(`tokenizer.save_pretrained`), or leave the field out to take the checkpoint's own."
        )
    return folder


def file_digests(folder: Path, patterns: tuple[str, ...]) -> dict[str, str]:
    """File name -> blake2b digest (32 hex digits) of the files in `folder` that match, sorted by name."""
    found = {path.name: path for pattern in patterns for path in folder.glob(pattern)}
    digests = {}
    for name in sorted(found):
        state = found[name].stat()
        times = state.st_mtime_ns, state.st_ctime_ns
        digests[name] = _digest(str(found[name].resolve()), state.st_ino, state.st_size, times)
    return digests


@lru_cache(maxsize=256)
def _digest(path: str, node: int, size_bytes: int, times_ns: tuple[int, int]) -> str:  # noqa: ARG001  of a changed file, others
    state = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            state.update(chunk)
    return state.hexdigest()
