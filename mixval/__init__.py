"""mixval: which contributors' data is worth training on, how sure are we, and may this batch enter?

From Python: `mixval.value(contributors, target, backbone)`; docs/api.md has all that is exported. Nothing heavy is imported
before it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mixval.api.result import ValuationResult, open_result
    from mixval.api.valuing import value
    from mixval.contracts.terms import TermSpec
    from mixval.evidence.baselines.method import Method
    from mixval.evidence.baselines.registry import register_rival
    from mixval.models.own import OwnModule
    from mixval.stages.measured import Measured
    from mixval.stages.measurements import register_term

__version__ = "0.1.0"
__all__ = [
    "Measured",
    "Method",
    "OwnModule",
    "TermSpec",
    "ValuationResult",
    "__version__",
    "open_result",
    "register_rival",
    "register_term",
    "value",
]

_FROM = {
    "Measured": "mixval.stages.measured",
    "Method": "mixval.evidence.baselines.method",
    "OwnModule": "mixval.models.own",
    "TermSpec": "mixval.contracts.terms",
    "ValuationResult": "mixval.api.result",
    "open_result": "mixval.api.result",
    "register_rival": "mixval.evidence.baselines.registry",
    "register_term": "mixval.stages.measurements",
    "value": "mixval.api.valuing",
}


def __getattr__(name: str) -> Any:
    """An exported name, imported when it is first asked for."""
    if name not in _FROM:
        raise AttributeError(f"module 'mixval' has no attribute {name!r}")
    return getattr(import_module(_FROM[name]), name)


def __dir__() -> list[str]:
    """Exported names with the others."""
    return sorted({*globals(), *_FROM})
