"""What every worker needs, imported once in the process that local workers are forked from. It must start no thread."""

import mixval.stages.forward
import mixval.stages.gradients
import mixval.stages.terms  # noqa: F401
from mixval.gate.engine import great_expectations

great_expectations()
