"""What every worker needs, imported once in the process that local workers are forked from. It must not start a thread."""

from flows.worker import import_passes
from mixval.gate.engine import great_expectations

import_passes()
great_expectations()
