"""Models and real rows that the engine is measured on, one scalar output a row. Nothing is downloaded.

resnet18        ResNet-18 of 11.2M weights as published (7x7 stem), CIFAR rows of the images example, 32x32
resnet18-3x3    the same with the 3x3 stem for small images
llama           Llama of 7.0M weights, 8 layers, width 256; 128 bytes of the answers example's text a row
mlp             784-512-512-10 perceptron on seeded noise, the size of MNIST
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import Tensor, nn

from mixval.terms.ntk.kinds import select_parameters

EXAMPLES = Path(__file__).parents[1] / "examples"
TOKENS = 128
Batch = dict[str, Tensor]


@dataclass(frozen=True)
class Workload:
    """A model in evaluation mode, rows, and the weights that count."""

    name: str
    module: nn.Module
    scalar: Callable[[Batch], Tensor]
    """From a batch to f (B,): the own label's logit, or the mean logit of the true tokens."""
    rows: Batch
    batch_rows: int

    @property
    def names(self) -> list[str]:
        """The linear and convolutional weights."""
        return select_parameters(self.module, ["linear", "conv"])

    @property
    def n_weights(self) -> int:
        """Weights that count."""
        held = dict(self.module.named_parameters())
        return sum(held[name].numel() for name in self.names)

    def batches(self, n: int, start: int = 0) -> Iterator[Batch]:
        """Rows `start` to n, batch by batch."""
        for low in range(start, n, self.batch_rows):
            yield {key: rows[low : min(low + self.batch_rows, n)] for key, rows in self.rows.items()}


def workload(name: str, n: int) -> Workload:
    """The workload of that name with n rows, seeded."""
    torch.manual_seed(0)
    if name in ("resnet18", "resnet18-3x3"):
        return _resnet(name, n)
    return {"llama": _llama, "mlp": _mlp}[name](name, n)


def _resnet(name: str, n: int) -> Workload:
    from transformers import ResNetConfig, ResNetForImageClassification

    sizes = {"hidden_sizes": [64, 128, 256, 512], "depths": [2, 2, 2, 2], "embedding_size": 64}
    module = ResNetForImageClassification(ResNetConfig(num_labels=10, layer_type="basic", **sizes))
    if name == "resnet18-3x3":
        module.resnet.embedder.embedder.convolution = nn.Conv2d(3, 64, 3, stride=1, padding=1, bias=False)
        module.resnet.embedder.pooler = nn.Identity()
    module.eval()

    def scalar(batch: Batch) -> Tensor:
        logits: Tensor = module(pixel_values=batch["pixels"]).logits
        return logits.gather(1, batch["labels"][:, None])[:, 0]

    return Workload(name, module, scalar, _images(n), 32)


def _llama(name: str, n: int) -> Workload:
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": 256, "intermediate_size": 704, "num_hidden_layers": 8, "num_attention_heads": 8}
    module = LlamaForCausalLM(LlamaConfig(vocab_size=1024, max_position_embeddings=TOKENS, **sizes)).eval()

    def scalar(batch: Batch) -> Tensor:
        ids = batch["ids"]
        logits: Tensor = module(input_ids=ids).logits[:, :-1]
        return logits.gather(2, ids[:, 1:, None])[:, :, 0].mean(1)

    return Workload(name, module, scalar, {"ids": _bytes(n)}, 16)


def _mlp(name: str, n: int) -> Workload:
    layers = (nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
    module = nn.Sequential(*layers).eval()

    def scalar(batch: Batch) -> Tensor:
        logits: Tensor = module(batch["x"])
        return logits.gather(1, batch["labels"][:, None])[:, 0]

    return Workload(name, module, scalar, {"x": torch.randn(n, 784), "labels": torch.arange(n) % 10}, 128)


def _images(n: int) -> Batch:
    """Rows of the images example in the order of its files, from the start again when they run out."""
    pixels, labels = [], []
    for file in sorted((EXAMPLES / "images" / "data").rglob("*.parquet")):
        table = pq.ParquetFile(file).read()
        for image, label in zip(table["image"].to_pylist(), table["label"].to_pylist(), strict=True):
            content = image["bytes"] if isinstance(image, dict) else image
            pixels.append(np.asarray(Image.open(io.BytesIO(content)).convert("RGB"), dtype=np.float32) / 255)
            labels.append(label)
    kept = torch.arange(n) % len(pixels)
    values = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2)[kept]
    return {"pixels": (values - values.mean((0, 2, 3), keepdim=True)) / 0.25, "labels": torch.tensor(labels)[kept]}


def _bytes(n: int) -> Tensor:
    """(n, TOKENS) ids: the example's text as bytes, one run after the other, from the start again when it runs out."""
    texts = []
    for file in sorted((EXAMPLES / "answers" / "data").rglob("*.parquet")):
        table = pq.ParquetFile(file).read()
        texts += [" ".join(str(value) for value in row.values()) for row in table.to_pylist()]
    stream = np.frombuffer("\n".join(texts).encode(), dtype=np.uint8)
    return torch.from_numpy(np.resize(stream, (n, TOKENS)).astype(np.int64))
