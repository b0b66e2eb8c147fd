"""Hooks on layers during one pass: inputs on the way forward, contributions on the way back."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from mixval.errors import ModelError
from mixval.terms.ntk.contribution import Call, Factors, contribution
from mixval.terms.ntk.kinds import Owner, is_embedding, is_linear, is_transposed_linear
from mixval.terms.ntk.preconditioner import Preconditioner

Take = Callable[[str, nn.Module, str, Call, Tensor], None]
"""Receives a parameter's name and one use of it: module, name within it, inputs, and the gradient at its output."""


class Recorder:
    """Watches the modules that own chosen parameters during the pass of one batch of `n_rows` examples."""

    def __init__(
        self,
        owners: Mapping[str, Sequence[Owner]],
        n_rows: int,
        take: Take | None = None,
        preconditioner: Preconditioner | None = None,
    ) -> None:
        """`owners` by parameter name, see `parameter_owners`. With `take`, uses go there and are not stored. Uses are scaled
        by the `preconditioner`.
        """
        self._preconditioner = preconditioner
        self.n_rows = n_rows
        self._take = take
        self.contributions: dict[str, dict[int, Factors | Tensor]] = {name: {} for name in owners}
        """By parameter, and by the order of its uses on the way forward."""
        self._watched: dict[nn.Module, list[tuple[str, str]]] = {}
        self._uses = dict.fromkeys(owners, 0)
        for name, modules in owners.items():
            for owner in modules:
                self._watched.setdefault(owner.module, []).append((name, owner.local))
        self._paths = {owner.module: owner.path for modules in owners.values() for owner in modules}

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Hooks are in place within; what they registered on tensors works until the backward pass is over."""
        handles = [m.register_forward_hook(self._on_forward, with_kwargs=True) for m in self._watched]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _on_forward(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Tensor:
        given = next((x for x in (*args, *kwargs.values()) if isinstance(x, Tensor)), None)
        if given is None or not isinstance(output, Tensor):
            raise self._refusal(module, "does not take and give tensors")
        if not output.requires_grad:
            # Nothing before this layer is differentiated: the graph starts here. A copy, since what follows may write to it.
            output = output.detach().requires_grad_(True).clone()
        if self.n_rows > 1 and len(output) == len(given) == 1 and is_embedding(module):
            # Looked up once for all examples (positions): from here on each has its own.
            output, given = (x.expand(self.n_rows, *x.shape[1:]) for x in (output, given))
        version = given._version
        if len(output) != self.n_rows or len(given) != self.n_rows:
            given = self._by_example(module, given, output)
        call = Call(args, kwargs, given.detach(), version)
        targets = []
        for name, local in self._watched[module]:
            targets.append((name, local, self._uses[name]))
            self._uses[name] += 1
        kept: Tensor = output
        n_places = kept.shape[0] // self.n_rows
        kept.register_hook(  # type: ignore[no-untyped-call]  # torch has no annotation for it
            lambda grad: self._on_backward(
                module, targets, call, given, grad if n_places == 1 else grad.unflatten(0, (self.n_rows, n_places))
            )
        )
        return kept

    def _by_example(self, module: nn.Module, given: Tensor, output: Tensor) -> Tensor:
        """(B, P, ...) of (B P, ...): places of all examples in one dimension, example by example (OPT, windows of Swin).

        Where they lie in another order, the comparison with autograd's gradient refuses the backbone.
        """
        fits = len(given) == len(output) and len(given) % self.n_rows == 0 and len(given) > 0
        if not fits or not (is_linear(module) or is_transposed_linear(module)) or given.ndim < 2:
            raise self._refusal(
                module, f"maps {tuple(given.shape)} to {tuple(output.shape)}: no {self.n_rows} examples in dimension 0"
            )
        return given.reshape(self.n_rows, -1, *given.shape[1:])

    def _on_backward(
        self, module: nn.Module, targets: list[tuple[str, str, int]], call: Call, given: Tensor, grad: Tensor
    ) -> None:
        if given._version != call.version:
            raise self._refusal(module, "has its input overwritten in place after the call")
        with torch.no_grad():
            for name, local, use in targets:
                own, at_output = call, grad.detach()
                if self._preconditioner is not None:
                    own, at_output = self._preconditioner.scaled(name, module, local, call, at_output)
                if self._take is None:
                    self.contributions[name][use] = contribution(module, local, own, at_output)
                else:
                    self._take(name, module, local, own, at_output)

    def _refusal(self, module: nn.Module, why: str) -> ModelError:
        return ModelError(
            f"layer '{self._paths[module]}' ({type(module).__name__}) {why}, so gradients by example cannot be taken. Leave "
            f"its kind out of `ntk.parameters`, take adapters on other layers (`backbone.lora.target_modules`, and "
            f"`ntk.parameters: [lora]`), or take another backbone."
        )
