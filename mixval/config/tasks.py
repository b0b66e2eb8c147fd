"""Specification of each task: columns of its rows, what is learnt from them, fitting models and features, defaults.

A new task is a name in `Task` and an entry in `TASKS`. What depends on the data type of rows (tokenizer, encoder,
checks of the gate) is looked up by `modality` or by a column's `kind`, so that an unknown one is an error and never a default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeVar, get_args

from mixval.errors import ConfigError

Task = Literal["image-classification", "text-classification", "instruction", "language-modelling"]
"""What the rows are for. `instruction` covers reasoning too: a prompt and the response to learn."""
Made = TypeVar("Made")
ParameterKind = Literal["linear", "conv", "embedding", "norm", "bias", "lora"]
PARAMETERS: tuple[ParameterKind, ...] = ("linear", "conv")
"""Kinds of parameters in the NTK by default: the weights of linear and convolutional layers."""


@dataclass(frozen=True)
class ContractColumn:
    """One column of a task's row contract."""

    name: str
    expected: str
    """The type in words, for error messages."""
    is_input: bool
    """Whether rows with equal values of it count as duplicates of one another, or of target rows."""
    kind: str
    """How its cells are read and checked: `image`, `label`, `text`, or `prompt` (text or chat messages)."""
    example: str
    """The column in a few words, as `mixval init` lists it."""


@dataclass(frozen=True)
class ExampleBackbone:
    """The two backbones of a task that `mixval init` writes: pretrained, from the hub; and made from a seed, without it."""

    about: str
    """The pretrained one in a few words, with its licence and the size of its download."""
    path: str
    """Its name on the hub."""
    revision: str
    """Its commit there."""
    settings: str
    """Other keys of `backbone` with it, one a line."""
    offline_about: str
    """What the one without the hub tells apart, in a few words."""
    offline: str
    """Keys of `backbone` without the hub, one a line."""
    batch_rows: int = 32
    """Rows of a pass of the pretrained one, so that a worker of 4 GiB takes it."""


@dataclass(frozen=True)
class TaskSpec:
    """One task. All differences between tasks are fields of this class, or are looked up by one of them."""

    name: str
    modality: str
    """Data type of rows: `image` or `text`."""
    learns: Literal["label", "response", "text"]
    """What a model learns from a row: its class, the response to its prompt, or all tokens of its text but the first."""
    columns: tuple[ContractColumn, ...]
    """The row contract; `origin` and `id` are columns of every task."""
    damping: float
    """lambda of `value.method: ntk-regression`, see `value.damping`. Dimensionless."""
    features: tuple[str, ...]
    """Values of `discrepancy.features` that fit the task."""
    architectures: tuple[str, ...]
    """Values of `random_init.architecture` that fit the task."""
    example_backbone: ExampleBackbone
    """What `mixval init` writes under `backbone`."""
    parameters: tuple[ParameterKind, ...] = PARAMETERS
    """Default of `ntk.parameters`."""

    @property
    def is_text(self) -> bool:
        """Whether rows need a tokenizer."""
        return self.modality == "text"

    @property
    def is_image(self) -> bool:
        """Whether rows are pixels."""
        return self.modality == "image"

    @property
    def has_labels(self) -> bool:
        """Whether each row has a label, one of the classes of T."""
        return self.learns == "label"

    @property
    def is_causal(self) -> bool:
        """Whether a causal language model learns the row, each token from those before it."""
        return self.learns in ("response", "text")

    @property
    def has_prompt(self) -> bool:
        """Whether rows are a prompt and the response to it."""
        return self.learns == "response"

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the columns by which duplicates are found."""
        return tuple(column.name for column in self.columns if column.is_input)

    @property
    def content(self) -> str:
        """Name of the main input column: the response where there is one, else the only one."""
        return self.inputs[-1]


_IMAGE = ContractColumn(
    "image",
    "image: binary PNG/JPEG, a struct with `bytes`, or a (H, W, C) uint8 tensor",
    is_input=True,
    kind="image",
    example="image (PNG or JPEG bytes)",
)
_LABEL = ContractColumn("label", "integer or string", is_input=False, kind="label", example="label (integer or name)")
_TEXT = ContractColumn("text", "string", is_input=True, kind="text", example="text")
_PROMPT = ContractColumn("prompt", "string or list of messages", is_input=True, kind="prompt", example="prompt")
_RESPONSE = ContractColumn("response", "string", is_input=True, kind="text", example="response")

LABEL_DAMPING, TOKEN_DAMPING = 1.0, 0.01
"""Of classification, relative to the kernel's mean diagonal less its mean entry; of causal LMs, to its mean diagonal."""
CHECKPOINT_DAMPING = 0.1
"""Of a causal checkpoint or own module, under the preconditioned kernel that is its default."""
NGRAM_DAMPING = 10.0
"""Of `random_init: {architecture: ngrams}` as a causal LM."""
_CAUSAL_MODELS = ("gpt2", "llama", "qwen2")

_SHORT_TEXTS = """\
max_length: 256                                # tokens; longer rows are cut, and counted"""
_NGRAMS = """\
random_init: {architecture: ngrams, seed: 0}   # hashed words and n-grams of bytes
max_length: 2048                               # bytes; longer rows are cut, and counted"""
_TEXT_BACKBONE = ExampleBackbone(
    about="all-MiniLM-L6-v2, a sentence encoder of 22 million weights (Apache-2.0, 91 MB)",
    path="sentence-transformers/all-MiniLM-L6-v2",
    revision="c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
    settings=_SHORT_TEXTS,
    offline_about="tells wrong labels from right ones by the words of a text",
    offline=_NGRAMS,
)
_IMAGE_BACKBONE = ExampleBackbone(
    about="ResNet-18 with ImageNet weights, 12 million weights (Apache-2.0, 47 MB)",
    path="microsoft/resnet-18",
    revision="65a5785d9156231087c481e0c7dd33a5ff6f7e3e",
    settings="""\
batch_norm: eval                               # as trained
image_size: 224                                # images are resized to this side, in pixels""",
    offline_about="tells wrong labels from right ones by colours and edges",
    offline="""\
random_init: {architecture: patches, seed: 0}  # random filters of patches of 6 pixels a side
image_size: 32                                 # images are resized to this side, in pixels""",
)
_CAUSAL_BACKBONE = ExampleBackbone(
    about="SmolLM2-135M-Instruct, a Llama of 135 million weights (Apache-2.0, 270 MB)",
    path="HuggingFaceTB/SmolLM2-135M-Instruct",
    revision="12fd25f77366fa6b3b4b768ec3050bf629380bac",
    settings=_SHORT_TEXTS,
    offline_about="it has learnt no language, and compares texts by which bytes and words follow one another",
    offline=_NGRAMS,
    batch_rows=4,
)
_CHAT_BACKBONE = replace(
    _CAUSAL_BACKBONE,
    settings=f"prompt_format: chat                            # the tokenizer's chat template\n{_SHORT_TEXTS}",
    offline_about="it has learnt no language, so that values hardly show whether an answer fits its prompt",
)

_SPECS = (
    TaskSpec(
        name="image-classification",
        modality="image",
        learns="label",
        columns=(_IMAGE, _LABEL),
        damping=LABEL_DAMPING,
        features=("backbone", "pixels"),
        architectures=("patches", "resnet"),
        example_backbone=_IMAGE_BACKBONE,
    ),
    TaskSpec(
        name="text-classification",
        modality="text",
        learns="label",
        columns=(_TEXT, _LABEL),
        damping=LABEL_DAMPING,
        features=("backbone",),
        architectures=("ngrams", *_CAUSAL_MODELS, "bert", "distilbert"),
        example_backbone=_TEXT_BACKBONE,
    ),
    TaskSpec(
        name="instruction",
        modality="text",
        learns="response",
        columns=(_PROMPT, _RESPONSE),
        damping=TOKEN_DAMPING,
        features=("backbone", "backbone-and-answer"),
        architectures=("ngrams", *_CAUSAL_MODELS),
        example_backbone=_CHAT_BACKBONE,
    ),
    TaskSpec(
        name="language-modelling",
        modality="text",
        learns="text",
        columns=(_TEXT,),
        damping=TOKEN_DAMPING,
        features=("backbone",),
        architectures=("ngrams", *_CAUSAL_MODELS),
        example_backbone=_CAUSAL_BACKBONE,
    ),
)
TASKS: dict[str, TaskSpec] = {spec.name: spec for spec in _SPECS}

EVERY_TASK: tuple[Task, ...] = get_args(Task)
CAUSAL: tuple[Task, ...] = tuple(task for task in EVERY_TASK if TASKS[task].is_causal)
IMAGES: tuple[Task, ...] = tuple(task for task in EVERY_TASK if TASKS[task].is_image)
TEXTS: tuple[Task, ...] = tuple(task for task in EVERY_TASK if TASKS[task].is_text)


def spec_of(task: str, where: str = "task") -> TaskSpec:
    """The specification of a task. Raises ConfigError for an unknown name, which stood at `where`."""
    if task not in TASKS:
        raise ConfigError(f"{where}: expected one of {', '.join(TASKS)}, found {task!r}. Correct the name.")
    return TASKS[task]


def for_modality(made: Mapping[str, Made], spec: TaskSpec, what: str) -> Made:
    """The entry for the task's modality; `what` names the entries. Raises ConfigError where there is none."""
    if spec.modality not in made:
        raise ConfigError(
            f"task {spec.name!r}: expected rows of a modality with {what} ({', '.join(made)}), found {spec.modality!r}. Choose "
            f"another task, or add {what} for this modality."
        )
    return made[spec.modality]


def for_column(made: Mapping[str, Made], column: ContractColumn, what: str) -> Made:
    """The entry for the column's kind; `what` names the entries. Raises ConfigError where there is none."""
    if column.kind not in made:
        raise ConfigError(
            f"column {column.name!r}: expected a kind with {what} ({', '.join(made)}), found {column.kind!r}. Choose another "
            f"task, or add {what} for this kind of column."
        )
    return made[column.kind]
