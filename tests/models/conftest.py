"""Tiny models of every family, tokenizers and tables for the tests of mixval.models."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image

from mixval.config.backbone import BackboneConfig, RandomInitConfig
from mixval.models.tokenizers import byte_tokenizer

SMALL: dict[str, dict[str, Any]] = {
    "resnet": {"embedding_size": 4, "hidden_sizes": [4, 8], "depths": [1, 1]},
    "bert": {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32},
    "distilbert": {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32},
    "gpt2": {"n_embd": 16, "n_layer": 2, "n_head": 2},
    "llama": {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32},
    "qwen2": {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "intermediate_size": 32,
    },
}


@pytest.fixture(autouse=True)
def _no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # the variable is read once, at import


@pytest.fixture
def fresh() -> Callable[..., BackboneConfig]:
    """A float64 random initialisation of a small architecture."""

    def make(architecture: str, seed: int = 0, settings: dict[str, Any] | None = None, **fields: Any) -> BackboneConfig:
        init = RandomInitConfig(architecture=architecture, settings={**SMALL[architecture], **(settings or {})}, seed=seed)
        text = {} if architecture == "resnet" else {"tokenizer": "byte"}
        return BackboneConfig(random_init=init, **{**text, "dtype": "float64", **fields})

    return make


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """A folder with a small checkpoint of a transformers class, and the byte tokenizer."""

    def make(class_name: str, model_type: str, settings: dict[str, Any] | None = None, tokenizer: Any = None) -> Path:
        import transformers

        tokenizer = tokenizer or byte_tokenizer()
        own = {} if model_type == "resnet" else {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
        config = transformers.AutoConfig.for_model(model_type, **{**SMALL.get(model_type, {}), **own, **(settings or {})})
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(7)
            model = getattr(transformers, class_name)(config)
            for name, buffer in model.named_buffers():  # running statistics that differ from a fresh model's
                if name.endswith("running_mean"):
                    buffer.uniform_(-0.1, 0.1)
            for name, parameter in model.named_parameters():
                if "normalization" in name:
                    parameter.data.uniform_(0.5, 1.5)
        folder = tmp_path / f"{class_name}-{len(list(tmp_path.iterdir()))}"
        model.save_pretrained(folder)
        if model_type != "resnet":
            tokenizer.save_pretrained(folder)
        return folder

    return make


@pytest.fixture
def image_rows() -> Callable[..., pa.Table]:
    """A table of seeded uint8 images as fixed-size tensors, with labels."""

    def make(n: int = 5, side: int = 16, labels: list[int] | None = None, channels: int = 3) -> pa.Table:
        pixels = np.random.default_rng(0).integers(0, 256, (n, side, side, channels), dtype=np.uint8)
        image = pa.FixedShapeTensorArray.from_numpy_ndarray(pixels)
        return pa.table({"image": image, "label": labels or [i % 3 for i in range(n)]})

    return make


@pytest.fixture
def encoded() -> Callable[..., bytes]:
    """An array as PNG or JPEG bytes."""

    def make(array: np.ndarray, kind: str = "PNG", mode: str | None = None) -> bytes:
        buffer = io.BytesIO()
        image = Image.fromarray(array)
        (image if mode is None else image.convert(mode)).save(buffer, kind)
        return buffer.getvalue()

    return make


@pytest.fixture
def text_rows() -> pa.Table:
    """Texts of different lengths, with labels."""
    texts = ["a fine film", "no", "the plot is thin, and the acting is thinner still", "zwölf €"]
    return pa.table({"text": texts, "label": [1, 0, 0, 1]})


@pytest.fixture
def chat_rows() -> pa.Table:
    """Prompts and responses of different lengths."""
    return pa.table(
        {
            "prompt": ["What is 2 + 2?", "Say hi", "Name a long river in South America, please"],
            "response": ["4", "hi there", "Amazon"],
        }
    )
