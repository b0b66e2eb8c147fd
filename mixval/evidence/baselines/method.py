"""A ranking method: a name, what it needs, where it applies, and one call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mixval.config.tasks import EVERY_TASK, Task, spec_of
from mixval.errors import ConfigError, NumericalError
from mixval.evidence.baselines.extras import optional
from mixval.evidence.baselines.inputs import Inputs
from mixval.terms.arrays import Floats

Need = Literal["labels", "checkpoints", "training", "features", "gradients"]
"""labels: rows must have a class. features: a forward pass of the frozen backbone (losses too). gradients: a backward pass for
each row. training: some optimiser's steps, of whatever model. checkpoints: weights of the backbone as it was trained."""


@dataclass(frozen=True)
class Scores:
    """Scores of a method in one world, and their cost."""

    values: Floats
    """(K,) higher is better, contributors in the world's order. Units are the method's own."""
    seconds: float
    """With those of every shared quantity that was used, also where it was cached. See `metering.py`."""
    peak_bytes: int
    """See `metering.Charge`."""
    needs: frozenset[Need]


@dataclass(frozen=True)
class Method:
    """A way to rank contributors."""

    name: str
    compute: Callable[[Inputs, int], Floats]
    """(K,) values from inputs and a seed."""
    needs: frozenset[Need] = frozenset()
    tasks: tuple[Task, ...] = EVERY_TASK
    """Where it can be used."""
    source: str = ""
    """Paper, or a description."""
    libraries: tuple[str, ...] = ()
    """Optional modules that it uses: imported before it is charged."""
    is_product: bool = False
    """Whether it is computed from what a run of mixval publishes, under the run's whole configuration (`product.py`)."""
    revision: int = 0
    """Raised whenever this method's values change: stored scores of an older version are not used."""

    def applies(self, task: Task) -> bool:
        """Whether the method can rank contributors of this task; with "labels" among its needs, classification alone."""
        return task in self.tasks and ("labels" not in self.needs or spec_of(task).has_labels)

    def rank(self, inputs: Inputs, seed: int = 0) -> Scores:
        """Values of the K contributors. The same seed gives the same values.

        Raises ConfigError where the method does not apply or needs an extra that is not installed, NumericalError for values
        that are not finite.
        """
        if not self.applies(inputs.task):
            needed = ", which needs class labels," if "labels" in self.needs else ""
            fitting = ", ".join(task for task in EVERY_TASK if self.applies(task))
            raise ConfigError(f"method {self.name!r}{needed} does not apply to the task {inputs.task!r}. It serves: {fitting}.")
        for library in self.libraries:
            optional(library)
        values, charge = inputs.ledger.charged(lambda: np.asarray(self.compute(inputs, seed), dtype=np.float64))
        names = [one.name for one in inputs.contributors]
        if values.shape != (len(names),):
            raise NumericalError(f"method {self.name!r}: expected one value for each of {len(names)}, found {values.shape}.")
        if broken := [name for name, value in zip(names, values, strict=True) if not np.isfinite(value)]:
            raise NumericalError(
                f"method {self.name!r}: expected finite values, found NaN or infinity for {broken[:5]}. Leave those "
                "contributors or the method out."
            )
        return Scores(values, charge.seconds, charge.peak_bytes, self.needs)
