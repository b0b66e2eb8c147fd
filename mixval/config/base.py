"""What every configuration model is: frozen, closed to unknown keys, checked at construction."""

from pydantic import BaseModel, ConfigDict


class FrozenModel(BaseModel):
    """A frozen model that refuses unknown keys, so that a misspelt setting never passes for a default."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, protected_namespaces=())
