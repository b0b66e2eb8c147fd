"""What a run of `mixval corpus` is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mixval.config.backbone import BackboneConfig, RandomInitConfig
from mixval.config.source import SourceConfig
from mixval.config.tasks import Task
from mixval.config.valuation import ValuationConfig
from mixval.errors import ConfigError
from mixval.models.token_stream import definition_of
from mixval.models.tokenizers import load_tokenizer


@dataclass(frozen=True)
class CorpusRequest:
    """Corpora, targets, and how their texts become tokens."""

    corpora: tuple[tuple[str, SourceConfig], ...]
    """Name -> where its rows are: `contributors` of the source holds this one alone, or several by column."""
    targets: tuple[tuple[str, SourceConfig], ...]
    """Name -> the same of each target; `target` of the source."""
    output: str
    task: Task = "language-modelling"
    """Whose row contract is read. What is counted is its content: the text, or the response."""
    finds_origin: bool = True
    """Whether a shard without a column for its rows' origin is one of unknown origin, and no error."""
    backbone: BackboneConfig | None = None
    """Whose tokenizer counts. None: one trained on the first target."""
    model: BackboneConfig | None = None
    """A causal language model, whose losses on the targets are shared out by token. None: none."""
    reference: str | None = None
    """The corpus that the support of others is compared with. None: the first target."""
    n_workers: int = 1


def named_url(given: str) -> tuple[str, str]:
    """`NAME=URL`, or a URL whose last part is the name."""
    name, equals, url = given.partition("=")
    if equals and name and url and "/" not in name:
        return name, url
    last = given.rstrip("/").rsplit("/", 1)[-1]
    return (last.rsplit(".", 1)[0] if "." in last[1:] else last) or given, given


def backbone_of(tokenizer: str) -> BackboneConfig:
    """The tokenizer of a folder, of a hub's model (`NAME@REVISION`), or `byte`."""
    if "@" in tokenizer and not Path(tokenizer).expanduser().is_dir():
        return model_of(tokenizer)
    return BackboneConfig(random_init=RandomInitConfig(architecture="llama"), tokenizer=tokenizer)


def model_of(model: str) -> BackboneConfig:
    """A model by its folder, or by name and revision on a hub (`NAME@REVISION`)."""
    name, _, revision = model.rpartition("@")
    is_folder = not name or Path(model).expanduser().is_dir()
    return BackboneConfig(path=model) if is_folder else BackboneConfig(path=name, revision=revision)


def definition(backbone: BackboneConfig) -> str:
    """The tokenizer's definition, in which it travels to workers. Raises as `load_tokenizer` and `definition_of` do."""
    return definition_of(load_tokenizer(backbone, "language-modelling"))


def request_of(config: ValuationConfig) -> CorpusRequest:
    """Contributors, target and tokenizer of a valuation. Raises ConfigError where its rows are no text."""
    spec = config.task_spec
    if not spec.is_text:
        raise ConfigError(f"corpus statistics need rows of text, found the task {config.task!r}. Give texts and --target.")
    made = config.backbone
    model = made if spec.is_causal and made.random_init is None and made.module is None else None
    return CorpusRequest(
        corpora=(("", config.source),),
        targets=(("target", config.source),),
        output=config.output,
        task=config.task,
        finds_origin=False,
        backbone=None if made.reads_bytes else made,
        model=None if model is None else model.model_copy(update={"prompt_format": "plain"}),
    )
