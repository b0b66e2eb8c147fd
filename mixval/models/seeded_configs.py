"""Settings of the architectures that are mixval's own, made from a seed without a checkpoint. Needs no torch."""

from typing import Any

from transformers import PretrainedConfig

from mixval.errors import ConfigError


class NgramConfig(PretrainedConfig):  # type: ignore[misc]  # transformers is untyped
    """Of the models of `ngrams.py`."""

    model_type = "ngrams"

    def __init__(self, n_features: int = 4096, vocab_size: int = 259, seed: int = 0, **others: Any) -> None:
        """`n_features`: hashed features. `seed`: of their places and signs. Raises ConfigError for fewer than two features."""
        if n_features < 2:
            raise ConfigError(f"backbone.random_init.settings: n_features must be at least 2, found {n_features}. Raise it.")
        self.n_features, self.vocab_size, self.seed = n_features, vocab_size, seed
        super().__init__(**others)


class PatchConfig(PretrainedConfig):  # type: ignore[misc]
    """Of the model of `patches.py`."""

    model_type = "patches"

    def __init__(self, n_filters: int = 256, patch_size: int = 6, pool: int = 3, num_channels: int = 3, **others: Any) -> None:
        """`patch_size` in pixels; features are averaged over `pool` times `pool` parts of the image.

        Raises ConfigError for a number below 1.
        """
        if min(n_filters, patch_size, pool, num_channels) < 1:
            raise ConfigError(
                "backbone.random_init.settings: n_filters, patch_size, pool and num_channels must be at least 1, found "
                f"{n_filters}, {patch_size}, {pool} and {num_channels}. Raise the lowest."
            )
        self.n_filters, self.patch_size, self.pool, self.num_channels = n_filters, patch_size, pool, num_channels
        super().__init__(**others)
