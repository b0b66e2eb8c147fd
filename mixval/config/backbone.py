"""The backbone: which model, at which checkpoint, in which precision."""

from typing import Literal

from pydantic import Field, model_validator

from mixval.config.base import FrozenModel


class RandomInitConfig(FrozenModel):
    """A model made from a transformers config and a seed, for where there is no checkpoint."""

    architecture: Literal["resnet", "bert", "distilbert", "gpt2", "llama", "qwen2"]
    """The transformers model type."""
    settings: dict[str, int | float | bool | str | list[int]] = Field(default_factory=dict)
    """Overrides of the transformers config, e.g. `{hidden_size: 64, num_hidden_layers: 2}`. For `resnet` the default is
    ResNet-18 (depths 2-2-2-2, basic blocks, 64 to 512 channels)."""
    seed: int = Field(default=0, ge=0)
    """Seed of the initialisation."""


class LoraConfig(FrozenModel):
    """LoRA adapters (peft) whose parameters become the NTK's."""

    rank: int = Field(default=8, gt=0)
    """Rank of each adapter."""
    alpha: float = Field(default=16.0, gt=0)
    """Scaling numerator; the adapter is scaled by alpha / rank."""
    target_modules: list[str] | Literal["all-linear"] = "all-linear"
    """Names of the Linear modules that get an adapter."""
    seed: int = Field(default=0, ge=0)
    """Seed of the adapters' initialisation."""


class BackboneConfig(FrozenModel):
    """One of `path` (local folder or hub name) or `random_init`."""

    path: str | None = None
    """A local folder with `config.json` and `*.safetensors`, or a hub name such as `org/model`."""
    revision: str | None = None
    """Commit, tag or branch on the hub. A hub name needs one, so that a run can be repeated."""
    random_init: RandomInitConfig | None = None
    """A randomly initialised model instead of a checkpoint."""
    tokenizer: str | Literal["byte"] | None = None
    """`byte`, or a folder with `tokenizer.json`. None: the checkpoint's own. Unused for images."""
    stem: Literal["original", "3x3"] = "original"
    """`3x3` replaces a ResNet's 7x7 stride-2 stem and its pooling by a 3x3 stride-1 convolution, for 32x32 images."""
    image_size: int | None = Field(default=None, gt=0)
    """Side in pixels to which images are resized (bilinear). None: rows must already share one size."""
    batch_norm: Literal["neutral", "eval"] = "neutral"
    """`neutral` as in DAVINZ: evaluation mode, weight 1, bias 0. `eval`: as in the checkpoint."""
    max_length: int = Field(default=256, gt=0)
    """Context in tokens. Never more than the model's own."""
    overlong: Literal["truncate", "reject"] = "truncate"
    """What becomes of a row longer than `max_length`: cut (counted), or refused by the gate (counted)."""
    prompt_format: Literal["plain", "chat"] = "plain"
    """`plain`: prompt, newline, response. `chat`: the tokenizer's chat template."""
    lora: LoraConfig | None = None
    """Adapters, when the NTK is to be taken over them."""
    dtype: Literal["float32", "float64", "bfloat16"] = "float32"
    """Precision of forward and backward passes. Sums and solves are float64 always."""

    @model_validator(mode="after")
    def _one_model(self) -> "BackboneConfig":
        if (self.path is None) == (self.random_init is None):
            raise ValueError("give exactly one of `path` (a checkpoint) and `random_init` (a config and a seed)")
        if self.stem == "3x3" and self.random_init is not None and self.random_init.architecture != "resnet":
            raise ValueError("`stem: 3x3` is for ResNets only")
        return self
