"""Base class of all configuration models: frozen, unknown keys refused, checked at construction."""

from pydantic import BaseModel, ConfigDict


class FrozenModel(BaseModel):
    """A frozen model that refuses unknown keys, so that a misspelt setting is an error and not a silent default."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, protected_namespaces=())
