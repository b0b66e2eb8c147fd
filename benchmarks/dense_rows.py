"""What each row brings to Eq. 8, one row at a time: no batch, no padding, no mask, whole gradients by `torch.func`.

Letters: N rows; A decisions of a row (1 in classification, its answer tokens in a causal LM); V classes or tokens; K
parameters. Of mixval only the loaded module is used. Rows are read with pyarrow and encoded here: images as float32 in
[0, 1], normalised with ImageNet's moments; texts as UTF-8 bytes with <bos> = 257 and <eos> = 258.
"""

from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, grad

Array = NDArray[np.float64]
Row = dict[str, Any]
BOS, EOS = 257, 258
IMAGENET = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]], dtype=np.float32)


def read_rows(folder: Path) -> list[Row]:
    """Rows of every Parquet file below a folder."""
    rows: list[Row] = []
    for file in sorted(folder.rglob("*.parquet")):
        table = pq.read_table(file)
        columns = {name: _values(table[name]) for name in table.column_names}
        rows += [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return rows


class DenseRows:
    """Losses, features, outputs and gradients of rows under one module in float64."""

    def __init__(self, module: nn.Module, rows: list[Row], classes: Sequence[int] | None) -> None:
        """`classes` are the sorted labels; None for a causal LM."""
        self.module, self.rows, self.classes = module, rows, classes
        self.is_real = np.array([row["origin"] == "real" for row in rows])
        self._inputs = [_encode(row) for row in rows]
        self._gradients = cache(self._all_gradients)
        self.outputs = cache(self._all_outputs)

    def __len__(self) -> int:
        """N."""
        return len(self.rows)

    @cached_property
    def losses(self) -> Array:
        """(N,) summed cross-entropy over each row's decisions, nats."""
        return np.array([-float(p.log().sum()) for p in self._own_probabilities])

    @cached_property
    def counts(self) -> Array:
        """(N,) decisions."""
        return np.array([float(len(p)) for p in self._own_probabilities])

    @cached_property
    def probabilities(self) -> Array:
        """(N,) geometric mean of the true answers' probabilities."""
        return np.array([float(p.log().mean().exp()) for p in self._own_probabilities])

    @cached_property
    def features(self) -> Array:
        """(N, D) the pooled layer before the head, or the mean last hidden state."""
        with torch.no_grad():
            return np.stack([self._feature(inputs).numpy() for inputs in self._inputs])

    @cached_property
    def answer_features(self) -> Array:
        """(N, D) the mean last hidden state over a causal LM's answer tokens."""
        with torch.no_grad():
            return np.stack(
                [self._answer_feature(row, inputs).numpy() for row, inputs in zip(self.rows, self._inputs, strict=True)]
            )

    @cached_property
    def pixels(self) -> Array:
        """(N, H W C) in [0, 1]."""
        return np.stack([(row["image"].astype(np.float32) / 255).ravel().astype(np.float64) for row in self.rows])

    def _all_outputs(self, kind: str) -> Array:
        """(N,) f(x)."""
        with torch.no_grad():
            return np.array([float(self._scalar({}, i, kind)) for i in range(len(self))])

    def gradients(self, kind: str, kinds: Sequence[str]) -> Array:
        """(N, K) d f / d theta over the parameters of these kinds."""
        names = parameters_of(self.module, kinds)
        return np.concatenate([self._gradients(kind)[name] for name in names], axis=1)

    def _all_gradients(self, kind: str) -> dict[str, Array]:
        weights = {name: parameter.detach() for name, parameter in self.module.named_parameters()}
        rows = [grad(self._scalar)(weights, i, kind) for i in range(len(self))]
        return {name: np.stack([row[name].flatten().numpy() for row in rows]) for name in weights}

    @cached_property
    def _own_probabilities(self) -> list[Tensor]:
        """(A,) probability of what is true, for each row."""
        with torch.no_grad():
            return [logits.softmax(-1)[range(len(true)), true] for logits, true in map(self._decide, range(len(self)))]

    def _scalar(self, weights: dict[str, Tensor], i: int, kind: str) -> Tensor:
        logits, true = self._decide(i, weights)
        p = logits.softmax(-1)[range(len(true)), true]
        if kind == "logit":
            return logits[range(len(true)), true].mean()
        return (torch.log(p / (1 - p)) if kind == "margin" else torch.log(p)).mean()

    def _decide(self, i: int, weights: dict[str, Tensor] | None = None) -> tuple[Tensor, list[int]]:
        """(A, V) logits of a row's decisions, and what is true in each."""
        row, inputs = self.rows[i], self._inputs[i]
        logits = functional_call(self.module, weights or {}, (), inputs).logits[0]
        if self.classes is not None:
            return logits[None], [list(self.classes).index(row["label"])]
        ids = inputs["input_ids"][0].tolist()
        n_prompt = _prompt_tokens(row)
        return logits[n_prompt - 1 : -1], ids[n_prompt:]

    def _feature(self, inputs: dict[str, Tensor]) -> Tensor:
        run: Any = self.module.base_model
        trunk = run(**inputs)
        feature: Tensor = trunk.pooler_output.flatten() if "pixel_values" in inputs else trunk.last_hidden_state[0].mean(0)
        return feature

    def _answer_feature(self, row: Row, inputs: dict[str, Tensor]) -> Tensor:
        run: Any = self.module.base_model
        feature: Tensor = run(**inputs).last_hidden_state[0][_prompt_tokens(row) :].mean(0)
        return feature


def parameters_of(module: nn.Module, kinds: Sequence[str]) -> list[str]:
    """Names of the parameters that some module holds as one of these kinds; tied ones once."""
    held = [
        id(parameter)
        for path, part in module.named_modules()
        for local, parameter in part.named_parameters(recurse=False)
        if _kind(path, part, local) in kinds
    ]
    return [name for name, parameter in module.named_parameters() if id(parameter) in held]


def _kind(path: str, part: nn.Module, local: str) -> str:
    name = type(part).__name__
    if "lora_" in path:
        return "lora"
    if "Norm" in name:
        return "norm"
    if local == "bias":
        return "bias"
    return {"Linear": "linear", "Conv1D": "linear", "Conv2d": "conv", "Embedding": "embedding"}[name]


def _prompt_tokens(row: Row) -> int:
    """<bos>, the prompt's bytes and a newline."""
    return 1 + len(row["prompt"].encode()) + 1


def _encode(row: Row) -> dict[str, Tensor]:
    if "image" in row:
        pixels = (row["image"].astype(np.float32) / 255 - IMAGENET[0]) / IMAGENET[1]
        return {"pixel_values": torch.from_numpy(pixels.transpose(2, 0, 1).copy()).double()[None]}
    if "text" in row:
        return {"input_ids": torch.tensor([[BOS, *row["text"].encode()]])}
    return {"input_ids": torch.tensor([[BOS, *f"{row['prompt']}\n{row['response']}".encode(), EOS]])}


def _values(column: pa.ChunkedArray) -> list[Any]:
    if isinstance(column.type, pa.FixedShapeTensorType):
        return [image for chunk in column.chunks for image in chunk.to_numpy_ndarray()]
    return list(column.to_pylist())
