"""The configuration that `mixval init` writes: every choice that matters first, commented for a data engineer."""

from pathlib import Path
from string import Template

from mixval.config.tasks import TASKS
from mixval.contracts.rows import ORIGIN
from mixval.errors import ConfigError

FILE = "mixval.yaml"

TEMPLATE = Template("""\
# A mixval configuration. Check it with `mixval plan ${file}`, run it with `mixval value ${file}`.
# Relative paths are relative to this file. An unknown key is an error.

task: ${task}

source:
  # One subfolder a contributor (contributor=NAME/ or NAME/), each with Parquet shards. Also s3://bucket/prefix.
  # Rows: ${rows}.
  contributors: ./contributors
  # The target set T: real, held out, what you want to be good at. Never train on it.
  target: ./target
  # columns: {label: my_label_column}            # contract column -> your column
  # origin: folder                               # when real and synthetic rows lie in origin=real/ and origin=synthetic/
  # storage: {endpoint_url: "http://127.0.0.1:9000"}   # keys come from AWS_ACCESS_KEY_ID or a Prefect block

output: ./mixval-out

backbone:
${backbone}

# Rows a contributor that pass through the backbone, drawn by content and in proportion to the parts.
sample: {count: 2000}

gate:
  min_rows: 20                                   # fewest rows a contributor may have
  max_bad_row_share: 0.1                         # up to this share bad rows are dropped, above it the contributor is

ntk:
  method: sketched                               # every row read, shard by shard, and coalition values. Or exact: the matrix
                                                 # itself, of the rows of `ntk.sample` alone
  sketch_features: 2048                          # numbers kept of a gradient; the report says when they are too few
  parameters: [linear, conv]                     # of a text encoder that starts without weights: [embedding]
  # sketch_error: 0.02                           # or as many as this relative error on T's rows asks for
  # sample: {count: 500}                         # exact: rows whose gradients are taken; time and memory grow with its square

# discrepancy:                                   # of Eq. 8: shown beside the value, or a part of it
#   labels: 1                                    # classification: wrong and missing labels count as distance
#   permutations: 999                            # p-values against T; with ntk.method exact

value:
  method: ntk-regression                         # what training, linearised, would do for T, in nats. Or eq8: Eq. 8
  # weights: equal-z                             # eq8: or scale-matched, published, shipped, fitted, davinz
  half_samples: 200                              # behind the intervals; 0 for none
  confidence: 0.95
  coalitions: 1000                               # coalitions behind sampled Shapley values; 0 for none

# runtime:
#   gradient_bytes: 2000000000                   # exact gradients that a task holds; less of it means more passes

seed: 0
""")


def write_template(folder: Path, task: str) -> Path:
    """Write `mixval.yaml` into `folder`; never over one that is there."""
    if task not in TASKS:
        raise ConfigError(f"--task: expected one of {', '.join(TASKS)}, found {task!r}. Choose one of them.")
    file = folder / FILE
    if file.exists():
        raise ConfigError(f"{file}: there is one already. Move it away, or choose another folder.")
    folder.mkdir(parents=True, exist_ok=True)
    spec = TASKS[task]
    rows = ", ".join(column.example for column in (*spec.columns, ORIGIN))
    file.write_text(TEMPLATE.substitute(task=task, rows=rows, backbone=spec.example_backbone, file=FILE), encoding="utf-8")
    return file
