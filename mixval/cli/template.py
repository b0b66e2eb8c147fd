"""The configuration that `mixval init` writes: the settings to decide first, with comments."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from string import Template
from textwrap import dedent, indent

from mixval.config.base import FrozenModel
from mixval.config.runtime import RuntimeConfig
from mixval.config.schema import json_schema
from mixval.config.tasks import ExampleBackbone, TaskSpec, spec_of
from mixval.config.valuation import ValuationConfig
from mixval.contracts.rows import ORIGIN
from mixval.errors import ConfigError
from mixval.models.hub import HUB_SECONDS, is_cached, missing_from_hub

FILE = "mixval.yaml"

RUNTIME = """\
runtime:
  batch_rows: {batch_rows:<2}                                 # rows of a pass; memory grows with them, by 0.6 GiB a row of 256
                                                 # tokens under a language model of 135 million weights"""
COMMENTS = 49
"""Characters before a comment beside a key."""

TEMPLATE = Template("""\
# yaml-language-server: $$schema=./${schema}
# A mixval configuration. Check it with `mixval plan ${file}`, run it with `mixval value ${file}`.
# Relative paths are relative to this file. An unknown key is an error.

task: ${task}

source:
  # One subfolder per contributor (contributor=NAME/ or NAME/), each with Parquet, JSON Lines,
  # CSV or Arrow files. Or s3://bucket/prefix.
  # Rows: ${rows}.
  contributors: ./contributors
  # The target set T: real, held-out rows of what the model should be good at. Never train on it.
  target: ./target
${columns}
  # origin: folder                               # if rows are in subfolders origin=real/ and origin=synthetic/
  # storage: {endpoint_url: "http://127.0.0.1:9000"}   # keys: AWS_ACCESS_KEY_ID or a Prefect block

output: ./mixval-out

backbone:
${backbone}

# Most rows per contributor that pass through the backbone; real and synthetic rows are drawn in proportion. Sketched reads
# all, half, a quarter, ... of them: a limit of 400 reads 250 of 500.
sample: {count: 2000}

gate:
  min_rows: 20                                   # contributors with fewer good rows are rejected
  max_bad_row_share: 0.1                         # bad rows are dropped; above this share the contributor is rejected

ntk:
  method: sketched                               # random projections of the gradients of all rows read; gives coalition values.
                                                 # Or exact: the kernel matrix, for the rows of `ntk.sample` only
  sketch_features: 2048                          # dimensions of a projected gradient; the report warns when too few
  parameters: [linear, conv]                     # whose gradients are taken; with backbone.lora, [lora] costs less
  # sketch_error: 0.02                           # raises sketch_features until this relative error on T is met
  # sample: {count: 500}                         # exact: rows with gradients; time and memory grow with its square

# discrepancy:                                   # a term of Eq. 8: reported next to the value, or part of it with eq8
#   labels: 1                                    # classification: compare labels too, so wrong ones add distance
#   permutations: 999                            # for p-values against T; needs ntk.method: exact

value:
  method: ntk-regression                         # predicted effect on T of training on the contributor. Or eq8
  # weights: equal-z                             # of Eq. 8's terms: or scale-matched, published, shipped, fitted, davinz
  replicates: 200                              # replicates for the intervals; 0: no intervals
  confidence: 0.95
  coalitions: 1000                               # most coalitions valued for Shapley values; 0: none

${runtime}
  # gradient_bytes: 2000000000                   # exact: gradients in memory per task; less means more passes

seed: 0
""")


@dataclass(frozen=True)
class Kind:
    """A kind of configuration that `mixval init` writes."""

    file: str
    text: Template
    model: type[FrozenModel]
    next_command: str
    """What to run once the URLs are filled in, but for the file's name."""

    @property
    def schema(self) -> str:
        """File beside it, for editors that complete and check keys by the comment in its first line."""
        return f"{Path(self.file).stem}.schema.json"


VALUATION = Kind(FILE, TEMPLATE, ValuationConfig, "mixval plan")


def begin(folder: Path, task: str, hub: bool | None, say: Callable[[str], None], kind: Kind = VALUATION) -> str:
    """Write the configuration, and say what it contains and what to do next.

    `hub` None: with the pretrained backbone if the hub, or its cache, has it. `say` is told before the hub is waited for.
    """
    example = spec_of(task, "--task").example_backbone
    _refuse_existing(folder / kind.file)
    why = _why_from_seed(example, hub, say)
    file = write_template(folder, task, is_offline=why is not None, kind=kind)
    if why is None:
        said = f"Its backbone is {example.path}, pretrained, from the Hugging Face hub."
    else:
        its = f"{why}, so its" if why else "Its"
        said = f"{its} backbone is made from a seed; the lines for a pretrained one, {example.path}, stand beside it."
    return f"wrote {file}. {said}\nFill in the URLs, then: {kind.next_command} {file}"


def _why_from_seed(example: ExampleBackbone, hub: bool | None, say: Callable[[str], None]) -> str | None:
    """Why the backbone is one made from a seed, empty where that was asked for; None where it is the pretrained one."""
    if hub is not None:
        return None if hub else ""
    if is_cached(example.path, example.revision):
        return None
    say(f"Asking the Hugging Face hub for {example.path}, at most {HUB_SECONDS:g} s. --hub and --offline ask nothing.")
    return missing_from_hub(example.path, example.revision)


def write_template(folder: Path, task: str, is_offline: bool, kind: Kind = VALUATION) -> Path:
    """Write the configuration and its schema into `folder`, with a backbone of the hub or one without; never over a file.

    Raises ConfigError for an unknown task, and where there is such a file.
    """
    file = _refuse_existing(folder / kind.file)
    folder.mkdir(parents=True, exist_ok=True)
    spec = spec_of(task, "--task")
    rows = ", ".join(column.example for column in (*spec.columns, ORIGIN))
    backbone = _backbone(spec.example_backbone, is_offline)
    batch_rows = RuntimeConfig().batch_rows if is_offline else spec.example_backbone.batch_rows
    texts = {"task": task, "rows": rows, "columns": _columns(spec), "backbone": backbone}
    texts |= {"runtime": RUNTIME.format(batch_rows=batch_rows)}
    texts |= {"columns_at_top": dedent(texts["columns"]), "file": kind.file, "schema": kind.schema}
    (folder / kind.schema).write_text(json.dumps(json_schema(kind.model), indent=1) + "\n", encoding="utf-8")
    file.write_text(kind.text.substitute(texts), encoding="utf-8")
    return file


def _refuse_existing(file: Path) -> Path:
    """The file to write. Raises ConfigError where there is one."""
    if file.exists():
        raise ConfigError(f"{file}: the file exists already. Move it, or choose another folder.")
    return file


def _columns(spec: TaskSpec) -> str:
    """How columns of other names are read, by the task's own columns."""
    lines = [(spec.columns[-1].name, "expected column: your column")]
    if spec.has_prompt:
        lines.append(("messages", "chats, in place of prompt and response"))
    return "\n".join(f"  # columns: {{{name}: my_{name}_column}}".ljust(COMMENTS) + f"# {words}" for name, words in lines)


def _backbone(example: ExampleBackbone, is_offline: bool) -> str:
    """The lines under `backbone`: one of the two as it is, the other one commented out."""
    pretrained = f"path: {example.path}\nrevision: {example.revision}\n{example.settings}"
    if is_offline and example.batch_rows != RuntimeConfig().batch_rows:
        pretrained += f"\n# With it: `batch_rows: {example.batch_rows}` under `runtime` below."
    above = f"Pretrained, downloaded once: {example.about}."
    below = (
        f"Without the hub, made from a seed: {example.offline_about}.\n"
        "A model that you have on disk does better: `path: FOLDER`, with config.json and *.safetensors, and no revision."
    )
    parts = (_comment(above), _comment(pretrained, is_offline), _comment(below), _comment(example.offline, not is_offline))
    return indent("\n".join(parts), "  ")


def _comment(lines: str, is_wanted: bool = True) -> str:
    return indent(lines, "# ") if is_wanted else lines
