"""The `backbone` of a configuration from what Python hands over, and sections of it as fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from mixval.config.backbone import BackboneConfig
from mixval.config.base import FrozenModel
from mixval.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

    from mixval.models.own import OwnModule

Room = TypeVar("Room", bound=FrozenModel)
Settings: TypeAlias = Room | Mapping[str, Any] | None
"""A section of the configuration: its model, or its fields by name. None: defaults."""
Backbone: TypeAlias = "str | PathLike[str] | Mapping[str, Any] | BackboneConfig | nn.Module | OwnModule"


@contextmanager
def backbone_fields(given: Backbone, tokenizer: Any, transform: Any) -> Iterator[dict[str, Any]]:
    """The configuration's `backbone`; an own module can be found by it within this block."""
    if isinstance(given, BackboneConfig | Mapping | str | PathLike):
        if transform is not None or not isinstance(tokenizer, str | None):
            raise ConfigError(
                "tokenizer, transform: objects go with an own module, found a checkpoint or a section of the configuration. "
                "Give the tokenizer by name, and `image_size` for a transform."
            )
        yield _named_backbone(given) | ({} if tokenizer is None else {"tokenizer": tokenizer})
        return
    from mixval.models.own import OwnModule, handed_over

    if isinstance(given, OwnModule) and (tokenizer is not None or transform is not None):
        raise ConfigError("tokenizer, transform: the OwnModule has its own. Give them to it.")
    own = given if isinstance(given, OwnModule) else OwnModule(given, tokenizer=tokenizer, transform=transform)
    with handed_over(own) as digest:
        yield {"module": digest, **own.settings}


def _named_backbone(given: Mapping[str, Any] | BackboneConfig | str | PathLike[str]) -> dict[str, Any]:
    if isinstance(given, BackboneConfig | Mapping):
        return fields_of(given, "backbone")
    path = fspath(given)
    name, at, revision = path.rpartition("@")
    is_hub = bool(at) and not Path(path).expanduser().exists()
    return {"path": name, "revision": revision} if is_hub else {"path": path}


def fields_of(given: Settings[Any], where: str) -> dict[str, Any]:
    """The fields that are set: a default that follows from others stays open."""
    if given is None:
        return {}
    if isinstance(given, FrozenModel):
        return given.model_dump(exclude_unset=True)
    if isinstance(given, Mapping):
        return {key: fields_of(item, where) if isinstance(item, Mapping | FrozenModel) else item for key, item in given.items()}
    raise ConfigError(f"{where}: expected the section's fields by name, found {type(given).__name__}. Give a dict.")
