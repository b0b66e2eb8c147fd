"""The obvious dense kernel that captures are held against, and models that are float64 all the way through."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad

Batch = Mapping[str, Tensor]
Scalar = Callable[[Batch], Tensor]


class Wide(nn.Module):
    """An RMSNorm without transformers' cast to float32, which would hide errors below 1e-7."""

    def __init__(self, weight: nn.Parameter, eps: float) -> None:
        super().__init__()
        self.weight = weight
        self.eps = eps

    def forward(self, hidden: Tensor) -> Tensor:
        return self.weight * hidden * torch.rsqrt(hidden.pow(2).mean(-1, keepdim=True) + self.eps)


class WideNorm(Wide):
    """Named as norms are, since they are known by name."""


def widen(module: nn.Module) -> nn.Module:
    """The module in float64 and evaluation mode, its RMSNorms included, its parameters frozen and off their defaults."""
    for path, part in list(module.named_modules()):
        if type(part).__name__.endswith("RMSNorm"):
            parent, _, name = path.rpartition(".")
            setattr(module.get_submodule(parent), name, WideNorm(part.weight, part.variance_epsilon))
    generator = torch.Generator().manual_seed(1)
    for parameter in module.parameters():
        parameter.requires_grad_(False)
        parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return module.double().eval()


def dense_theta(module: nn.Module, names: Sequence[str], scalar: Callable[[nn.Module], Scalar], batch: Batch) -> Tensor:
    """(n, n): full gradients of every row, one long vector each, and their products."""
    matrix = torch.cat([gradient.flatten(1) for gradient in dense_gradients(module, names, scalar, batch).values()], 1)
    return matrix @ matrix.T


def dense_gradients(
    module: nn.Module, names: Sequence[str], scalar: Callable[[nn.Module], Scalar], batch: Batch
) -> dict[str, Tensor]:
    """(n, ...) gradients of every row by torch.func, by parameter."""
    held = dict(module.named_parameters())
    wanted = {name: held[name].detach() for name in names}

    class Bound(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, row: Batch) -> Tensor:
            return scalar(self.inner)({key: value[None] for key, value in row.items()})[0]

    def f(weights: Mapping[str, Tensor], row: Batch) -> Tensor:
        return functional_call(Bound(), {f"inner.{name}": value for name, value in weights.items()}, (row,))

    rows = [{key: value[i] for key, value in batch.items()} for i in range(len(next(iter(batch.values()))))]
    found = [grad(f)(wanted, row) for row in rows]
    return {name: torch.stack([one[name] for one in found]) for name in names}


def random_problem(n: int, rank: int, seed: int = 0, decay: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Theta (n, n) of gradients whose directions weaken as k^-decay, and residuals (n,)."""
    generator = np.random.default_rng(seed)
    gradients = generator.normal(size=(n, rank)) * np.arange(1, rank + 1) ** -decay
    return gradients @ gradients.T, generator.normal(size=n)


def split(batch: Batch, size: int) -> list[dict[str, Tensor]]:
    """The batch in pieces of `size` rows, the last one uneven."""
    n = len(next(iter(batch.values())))
    return [{key: value[i : i + size] for key, value in batch.items()} for i in range(0, n, size)]


def relative(found: Tensor, truth: Tensor) -> float:
    """Largest error, relative to the truth's largest entry."""
    return float((found - truth).abs().max() / truth.abs().max())


def own_logit(module: nn.Module) -> Scalar:
    """The own label's logit of an image classifier that returns logits."""
    return lambda batch: module(batch["x"]).gather(1, batch["y"][:, None])[:, 0]


def own_class_logit(module: nn.Module) -> Scalar:
    """The own label's logit of a transformers classifier."""

    def scalar(batch: Batch) -> Tensor:
        inputs = {key: value for key, value in batch.items() if key != "y"}
        return module(**inputs).logits.gather(1, batch["y"][:, None])[:, 0]

    return scalar


def mean_token_logit(module: nn.Module) -> Scalar:
    """Mean over answer tokens of the true token's logit."""
    return _over_answer(module, lambda logits, token: logits.gather(2, token)[:, :, 0])


def mean_token_log_probability(module: nn.Module) -> Scalar:
    """Mean over answer tokens of the true token's log-probability: every logit of a position counts."""
    return _over_answer(module, lambda logits, token: logits.log_softmax(-1).gather(2, token)[:, :, 0])


def _over_answer(module: nn.Module, measure: Callable[[Tensor, Tensor], Tensor]) -> Scalar:
    def scalar(batch: Batch) -> Tensor:
        logits = module(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        answer = batch["answer"][:, 1:].to(logits.dtype)
        return (measure(logits[:, :-1], batch["input_ids"][:, 1:, None]) * answer).sum(1) / answer.sum(1)

    return scalar


def padded_rows(n: int, length: int, vocabulary: int, seed: int = 0) -> dict[str, Tensor]:
    """n rows of different lengths, padded on the right with token 0; the answer is what follows the second token."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.arange(n) % (length - 3) + 4
    mask = torch.arange(length)[None] < lengths[:, None]
    ids = torch.randint(1, vocabulary, (n, length), generator=generator) * mask
    return {"input_ids": ids, "attention_mask": mask.long(), "answer": mask & (torch.arange(length)[None] >= 2)}
