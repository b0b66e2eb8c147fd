"""Where a checkpoint lies, and whether mixval will open it. Needs no torch.

Only `config.json` and `*.safetensors` are ever opened as a model: no pickled weights, no code from a checkpoint.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixval.contracts.json_text import read_json
from mixval.errors import ConfigError, ContractError, ModelError

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_SHARD_NAME = re.compile(r"[\w-][\w.-]*\.safetensors")
_VOCABULARY = ("tokenizer.json", "vocab.json", "vocab.txt", "*.model")
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


@dataclass(frozen=True)
class Checkpoint:
    """A local folder, or a name and revision on the hub."""

    name: str
    """Folder or hub name, as transformers takes it."""
    revision: str | None
    """Commit, tag or branch on the hub. None for a folder."""

    @property
    def folder(self) -> Path | None:
        """The local folder; None for a hub name."""
        return None if self.revision is not None else Path(self.name)

    @property
    def source(self) -> dict[str, Any]:
        """Keyword arguments that every `from_pretrained` gets: this revision, nothing downloaded for a folder."""
        if self.revision is None:
            return {"local_files_only": True}
        return {"revision": self.revision}

    def __str__(self) -> str:
        """How messages name it."""
        return self.name if self.revision is None else f"{self.name}@{self.revision}"


def locate(path: str, revision: str | None) -> Checkpoint:
    """The checkpoint that `path` names.

    A folder that exists is local, and vetted here; anything else must look like a hub name and come with a revision.
    Raises ConfigError for a missing folder or revision, ModelError for a folder that mixval will not open.
    """
    folder = Path(path).expanduser()
    if folder.is_dir():
        _vet_folder(folder)
        return Checkpoint(str(folder), None)
    if folder.exists() or not _HUB_NAME.fullmatch(path) or path.startswith("."):
        raise ConfigError(
            f"backbone.path {path!r} must be a folder with config.json and *.safetensors, or a hub name such as "
            "'org/model'; no such folder is there. Check the path: relative ones count from the configuration file."
        )
    if revision is None:
        raise ConfigError(
            f"backbone.path {path!r} is no local folder, so it is read as a hub name, and a hub name needs "
            "backbone.revision: what a name points to may change, and a run could not be repeated. Give a commit or a tag."
        )
    return Checkpoint(path, revision)


def raw_config(checkpoint: Checkpoint) -> dict[str, Any]:
    """The checkpoint's `config.json`, refused when it asks for code of its own.

    Raises ModelError when it cannot be read, or names code by `auto_map`.
    """
    if checkpoint.folder is not None:
        settings = _read_json(checkpoint.folder / "config.json")
    else:
        from transformers import PretrainedConfig

        try:
            settings, _ = PretrainedConfig.get_config_dict(checkpoint.name, **checkpoint.source)
        except OSError as error:
            raise ModelError(unreachable(checkpoint)) from error
    if "auto_map" in settings:
        raise ModelError(
            f"checkpoint {checkpoint}: config.json asks for code of its own ({settings['auto_map']}), and mixval runs none "
            "from a checkpoint. Convert the model to an architecture that transformers holds, and remove `auto_map`."
        )
    if (named := settings.get("transformers_weights")) is not None:
        raise ModelError(
            f"checkpoint {checkpoint}: config.json names the file of its weights itself ({named!r}), and mixval reads "
            "model.safetensors or what model.safetensors.index.json names. Remove `transformers_weights`, or save the model "
            "again with `save_pretrained`."
        )
    return settings


def unreachable(checkpoint: Checkpoint) -> str:
    """What to say when a hub name cannot be read, neither from the hub nor from the local cache."""
    return (
        f"checkpoint {checkpoint}: the hub must give config.json and *.safetensors, and neither it nor the local cache did. "
        "Check the name and revision, the network, HF_HUB_OFFLINE and HF_TOKEN; or download it and give the folder. To go on "
        "without the hub, write `random_init: {architecture: ngrams}` for text, or `random_init: {architecture: patches}` and "
        "`image_size: 32` for images, in place of `path` and `revision` (`mixval init --offline` writes such a configuration)."
    )


def side_file(checkpoint: Checkpoint, name: str) -> dict[str, Any] | None:
    """An optional JSON file beside the weights, e.g. `preprocessor_config.json`; None when there is none."""
    found = _beside(checkpoint, name)
    return None if found is None else _read_json(found)


def weight_files(checkpoint: Checkpoint) -> list[Path]:
    """The safetensors files that transformers reads: `model.safetensors`, else those that its index names.

    Raises ModelError where neither is there, or the index names something that is no file beside it.
    """
    single = _beside(checkpoint, "model.safetensors")
    if single is not None:
        return [single]
    index = side_file(checkpoint, "model.safetensors.index.json")
    shards = index.get("weight_map") if index is not None else None
    if not isinstance(shards, dict):
        raise ModelError(
            f"checkpoint {checkpoint} must hold model.safetensors, or model.safetensors.index.json with a `weight_map`; found "
            "neither. Save the model again with `save_pretrained`."
        )
    files = []
    for name in sorted({str(shard) for shard in shards.values()}):
        found = _beside(checkpoint, name) if _SHARD_NAME.fullmatch(name) else None
        if found is None:
            raise ModelError(
                f"checkpoint {checkpoint}: model.safetensors.index.json names {name!r}, which is no *.safetensors file beside "
                "it. Save or download the checkpoint again."
            )
        files.append(found)
    return files


def _beside(checkpoint: Checkpoint, name: str) -> Path | None:
    if checkpoint.folder is None:
        return _on_hub(checkpoint, name)
    path = checkpoint.folder / name
    return path if path.is_file() else None


def has_vocabulary(checkpoint: Checkpoint) -> bool:
    """Whether a tokenizer's vocabulary lies beside the weights; without one transformers makes up an empty tokenizer."""
    if checkpoint.folder is not None:
        return any(path for pattern in _VOCABULARY for path in checkpoint.folder.glob(pattern))
    return any(_on_hub(checkpoint, name) for name in (*_VOCABULARY[:-1], "tokenizer.model", "spiece.model"))


def _on_hub(checkpoint: Checkpoint, name: str) -> Path | None:
    """A hub file, downloaded or from the cache; None when the repository has no such file."""
    from transformers.utils import cached_file

    try:
        found = cached_file(checkpoint.name, name, _raise_exceptions_for_missing_entries=False, **checkpoint.source)
    except OSError as error:
        raise ModelError(f"{unreachable(checkpoint)} Looked for {name!r}.") from error
    return None if found is None else Path(found)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        settings = read_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, ContractError) as error:
        raise ModelError(f"{path} must be a readable JSON file: {error}. Save the checkpoint again.") from error
    if not isinstance(settings, dict):
        raise ModelError(f"{path} must hold a JSON object, found {type(settings).__name__}. Save the checkpoint again.")
    return settings


def _vet_folder(folder: Path) -> None:
    if (folder / "adapter_config.json").is_file():
        raise ModelError(
            f"checkpoint {folder} holds an adapter (adapter_config.json) whose base model lies elsewhere. Merge it "
            "(peft: `merge_and_unload`), save the whole model, and give that folder."
        )
    if not (folder / "config.json").is_file():
        raise ModelError(f"checkpoint {folder} has no config.json. Save the model with `save_pretrained`.")
    if any(folder.glob("*.safetensors")):
        return
    pickled = sorted(path.name for pattern in _PICKLED for path in folder.glob(pattern))
    found = f"found {', '.join(pickled)}, whose format can run code" if pickled else "found no weights at all"
    raise ModelError(
        f"checkpoint {folder} must hold its weights as *.safetensors; {found}. Convert it where you trust it: "
        "`AutoModel....from_pretrained(old).save_pretrained(new)` in transformers writes safetensors."
    )
