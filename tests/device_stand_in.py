"""A device that is none: numbers on the CPU that refuse to meet numbers which were not moved to them, as on a GPU.

Such tensors call themselves `meta`, since torch makes and moves tensors there without a driver, but they hold numbers. What
an operation mixes with a CPU tensor of at least one dimension raises RuntimeError; CUDA lets indices off, and so does this.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

STAND_IN = torch.device("meta")
COPIES = (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)
INDEXING = (torch.ops.aten.index.Tensor, torch.ops.aten.index_put_.default)


class Moved(Tensor):
    """A tensor on the stand-in."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> "Moved":
        return Tensor._make_wrapper_subclass(cls, held.size(), held.stride(), dtype=held.dtype, device=STAND_IN)

    def __init__(self, held: Tensor) -> None:
        self.held = held

    def tolist(self) -> Any:
        return self.held.tolist()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


class StandIn(TorchDispatchMode):
    """Within, what is made or moved there lies on the stand-in."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


def moved(module: nn.Module) -> nn.Module:
    """The module, which is changed, on the stand-in, its ties kept."""
    there = module.to(STAND_IN)
    if hasattr(there, "tie_weights"):
        there.tie_weights()
    return there


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    leaves = list(_tensors((*args, *kwargs.values())))
    strangers = [leaf for leaf in leaves if leaf.ndim and not isinstance(leaf, Moved) and not _is_nothing(leaf)]
    is_there = any(isinstance(leaf, Moved) for leaf in leaves)
    if is_there and strangers and func not in COPIES and not (func in INDEXING and isinstance(leaves[0], Moved)):
        raise RuntimeError(f"{func}: a tensor of shape {tuple(strangers[0].shape)} is on the CPU, others are on the device")
    device = kwargs.get("device")
    if device is not None:
        is_there, kwargs = torch.device(device) == STAND_IN, {**kwargs, "device": torch.device("cpu")}
    elif func is torch.ops.aten.copy_.default:
        is_there = isinstance(args[0], Moved)
    made = func(*_each(args, _held), **{name: _each(given, _held) for name, given in kwargs.items()})
    if func._schema.name.endswith("_"):  # in place
        return args[0]
    return _each(made, Moved) if is_there else made


def _tensors(given: Any) -> Iterator[Tensor]:
    """The tensors among what an operation takes or gives: they lie in lists and tuples at most, and torch's trees cost more."""
    for one in given:
        if isinstance(one, Tensor):
            yield one
        elif isinstance(one, list | tuple):
            yield from _tensors(one)


def _each(given: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """The same with each tensor changed."""
    if isinstance(given, Tensor):
        return change(given)
    return type(given)(_each(one, change) for one in given) if isinstance(given, list | tuple) else given


def _is_nothing(tensor: Tensor) -> bool:
    """`torch.tensor([], device=...)` makes its tensor without a dispatch."""
    return tensor.device == STAND_IN and tensor.numel() == 0


def _held(given: Tensor) -> Tensor:
    if isinstance(given, Moved):
        return given.held
    return torch.zeros(given.shape, dtype=given.dtype) if _is_nothing(given) else given
