"""The backbone: model, checkpoint, precision."""

from typing import Literal

from pydantic import Field, model_validator

from mixval.config.base import FrozenModel

Head = Literal["auto", "checkpoint", "new"]
"""Which classification head of a checkpoint is taken; see `BackboneConfig.head`."""


class RandomInitConfig(FrozenModel):
    """A randomly initialised model, made from a transformers config and a seed, when there is no checkpoint."""

    architecture: Literal["ngrams", "patches", "resnet", "bert", "distilbert", "gpt2", "llama", "qwen2"]
    """`ngrams` for text and `patches` for images tell clean rows from wrong ones without a checkpoint: linear models of hashed
    words and n-grams, or of random image filters. The others are transformers model types."""
    settings: dict[str, int | float | bool | str | list[int]] = Field(default_factory=dict)
    """Overrides of the transformers config, e.g. `{hidden_size: 64, num_hidden_layers: 2}`. For `resnet` the default is
    ResNet-18 (depths 2-2-2-2, basic blocks, 64 to 512 channels). `ngrams` has `n_features`; `patches` has `n_filters`,
    `patch_size` and `pool`."""
    seed: int = Field(default=0, ge=0)
    """Seed of the initialisation."""


class LoraConfig(FrozenModel):
    """LoRA adapters (peft). With `ntk.parameters: [lora]` the NTK is taken over their parameters."""

    rank: int = Field(default=8, gt=0)
    """Rank of each adapter."""
    alpha: float = Field(default=16.0, gt=0)
    """Scaling numerator; the adapter is scaled by alpha / rank."""
    target_modules: list[str] | Literal["all-linear"] = "all-linear"
    """Names of the Linear modules that get an adapter."""
    seed: int = Field(default=0, ge=0)
    """Seed of the adapters' initialisation."""


class BackboneConfig(FrozenModel):
    """The model. Give exactly one of `path` (local folder or hub name) and `random_init`; from Python also an own module."""

    path: str | None = None
    """A local folder with `config.json` and `*.safetensors`, or a hub name such as `org/model`."""
    revision: str | None = None
    """Commit, tag or branch on the hub. Required with a hub name, so that a run can be repeated."""
    random_init: RandomInitConfig | None = None
    """A randomly initialised model instead of a checkpoint."""
    module: str | None = None
    """Digest of an own torch module, which `mixval.value` sets: a record of what was valued, not to be written by hand."""
    head: Head = "auto"
    """The classification head of a checkpoint. `auto`: its own where it has as many classes as T, else a new, untrained one.
    `checkpoint`: its own, whatever T has. `new`: a new one. Plan and run name a new head."""
    head_seed: int = Field(default=0, ge=0)
    """Seed of a new head's weights."""
    tokenizer: str | Literal["byte"] | None = None
    """`byte`, or a folder with `tokenizer.json`. None: the tokenizer of the checkpoint. Unused for images."""
    stem: Literal["original", "3x3"] = "original"
    """`3x3` replaces a ResNet's 7x7 stride-2 stem and its pooling by a 3x3 stride-1 convolution, for 32x32 images."""
    image_size: int | None = Field(default=None, gt=0)
    """Side in pixels to which images are resized (bilinear). None: all images must have the same size."""
    batch_norm: Literal["neutral", "eval"] = "neutral"
    """`neutral`: evaluation mode with weight 1 and bias 0, as in DAVINZ. `eval`: evaluation mode as in the checkpoint."""
    max_length: int = Field(default=256, gt=0)
    """Most tokens of a row. Limited by the model's own context length."""
    overlong: Literal["truncate", "reject"] = "truncate"
    """Rows longer than `max_length` tokens: `truncate` cuts them, `reject` drops them at the gate. Both are counted."""
    prompt_format: Literal["plain", "chat"] = "plain"
    """How prompt and response are joined. `plain`: by a newline. `chat`: by the tokenizer's chat template."""
    lora: LoraConfig | None = None
    """LoRA adapters added to the model. None: no adapters."""
    dtype: Literal["float32", "float64", "bfloat16"] = "float32"
    """Precision of forward and backward passes. Sums and linear solves are always float64."""

    @property
    def reads_bytes(self) -> bool:
        """Whether tokens are the bytes of a text."""
        return self.tokenizer == "byte" or (self.random_init is not None and self.random_init.architecture == "ngrams")

    @model_validator(mode="after")
    def _one_model(self) -> "BackboneConfig":
        if [self.path, self.random_init, self.module].count(None) != 2:
            raise ValueError("give exactly one of `path` (a checkpoint) and `random_init` (a config and a seed)")
        if self.module is not None and (self.lora is not None or self.stem != "original"):
            raise ValueError("an own module is taken as it is. Leave `lora` and `stem` out")
        if self.head != "auto" and self.path is None:
            raise ValueError("`head` is for checkpoints (`path`): a random initialisation always has a new one")
        if self.stem == "3x3" and self.random_init is not None and self.random_init.architecture != "resnet":
            raise ValueError("`stem: 3x3` is for ResNets only")
        if self.random_init is not None and self.random_init.architecture == "ngrams" and self.tokenizer not in (None, "byte"):
            raise ValueError("`random_init.architecture: ngrams` reads bytes: leave `tokenizer` out, or write `byte`")
        return self
