"""Generators of text and how they draw: a causal LM on the cluster's workers, or a server."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from mixval.config.base import FrozenModel


class SamplingConfig(FrozenModel):
    """How a generator draws its tokens. The defaults are those of arXiv 2510.01631."""

    temperature: float = Field(default=0.7, ge=0, le=2)
    """Temperature of the softmax. 0: always the likeliest token."""
    top_p: float = Field(default=0.95, gt=0, le=1)
    """Share of the probability, from the likeliest token on, that is drawn from."""
    max_tokens: int = Field(default=2048, gt=0)
    """Most tokens of an answer. When it is raised, only answers that were cut are made anew."""


class TransformersGeneratorConfig(FrozenModel):
    """A causal language model of transformers, in batches on the cluster's workers."""

    kind: Literal["transformers"]
    """This kind."""
    model: str
    """A local folder with `config.json`, `*.safetensors` and a tokenizer, or a hub name such as `org/model`."""
    revision: str | None = None
    """Commit, tag or branch on the hub. Required with a hub name, so that a run can be repeated."""
    name: str | None = None
    """What the rows' `source` says. None: the last part of `model`."""
    batch_rows: int = Field(default=8, gt=0)
    """Prompts that are answered together."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Precision of the model."""

    @property
    def shown_name(self) -> str:
        """What the rows' `source` says."""
        return self.name or self.model.rstrip("/").rpartition("/")[2]


class ServerGeneratorConfig(FrozenModel):
    """Any server that speaks the OpenAI chat-completions protocol (extra `synthesis`)."""

    kind: Literal["openai"]
    """This kind."""
    base_url: str = "https://api.openai.com/v1"
    """The server, up to and with `/v1`."""
    model: str
    """Name of the model there."""
    revision: str = ""
    """What tells this model from another under the same name, as a commit or a date. Part of a request's key."""
    name: str | None = None
    """What the rows' `source` says. None: `model`."""
    key_variable: str = "OPENAI_API_KEY"
    """Environment variable with the key. Where it is not set, the server is asked without one."""
    limit_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """What the server calls the most tokens of an answer; newer models of OpenAI take the second alone."""
    sends_seed: bool = True
    """Whether requests carry a `seed`. Some servers refuse it."""
    concurrency: int = Field(default=8, gt=0)
    """Requests in flight to begin with. It grows while the server answers, and halves when it says 429."""
    max_concurrency: int = Field(default=64, gt=0)
    """Most requests in flight."""
    timeout_seconds: float = Field(default=300.0, gt=0)
    """Seconds that an answer may take."""
    retries: int = Field(default=8, ge=0)
    """How often a request is sent again that failed by itself: no answer in time, an error of the server, garbage. What says
    that the server is busy or away (429, no connection) is not counted."""
    retry_seconds: float = Field(default=1.0, gt=0)
    """Seconds before the first repetition; doubled with each, up to 30. `Retry-After` comes before it."""
    give_up_after: int = Field(default=100, gt=0)
    """Failures in a row, of whatever requests, after which the run ends. What was answered is kept for the next one."""
    input_price: float | None = Field(default=None, ge=0)
    """Price of a million prompt tokens, in any currency, for the dry run."""
    output_price: float | None = Field(default=None, ge=0)
    """Price of a million answered tokens, in the same one."""

    @field_validator("base_url")
    @classmethod
    def _is_http(cls, given: str) -> str:
        if not given.startswith(("http://", "https://")):
            raise ValueError("expected a URL that begins with http:// or https://")
        return given

    @property
    def shown_name(self) -> str:
        """What the rows' `source` says."""
        return self.name or self.model
