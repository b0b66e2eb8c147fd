"""What every configuration model is: frozen, closed to unknown keys, checked at construction."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Task = Literal["image-classification", "text-classification", "instruction", "language-modelling"]
"""What the rows are for. `instruction` covers reasoning too: a prompt and the response to learn."""


class FrozenModel(BaseModel):
    """A frozen model that refuses unknown keys, so that a misspelt setting never passes for a default."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, protected_namespaces=())
