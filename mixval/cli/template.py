"""The configuration that `mixval init` writes: the settings to decide first, with comments."""

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
  # One subfolder per contributor (contributor=NAME/ or NAME/), each with Parquet files. Or s3://bucket/prefix.
  # Rows: ${rows}.
  contributors: ./contributors
  # The target set T: real, held-out rows of what the model should be good at. Never train on it.
  target: ./target
  # columns: {label: my_label_column}            # expected column: your column
  # origin: folder                               # if rows are in subfolders origin=real/ and origin=synthetic/
  # storage: {endpoint_url: "http://127.0.0.1:9000"}   # keys: AWS_ACCESS_KEY_ID or a Prefect block

output: ./mixval-out

backbone:
${backbone}

# Most rows per contributor that pass through the backbone; real and synthetic rows are drawn in proportion.
sample: {count: 2000}

gate:
  min_rows: 20                                   # contributors with fewer good rows are rejected
  max_bad_row_share: 0.1                         # bad rows are dropped; above this share the contributor is rejected

ntk:
  method: sketched                               # random projections of the gradients of all rows read; gives coalition values.
                                                 # Or exact: the kernel matrix, for the rows of `ntk.sample` only
  sketch_features: 2048                          # dimensions of a projected gradient; the report warns when too few
  parameters: [linear, conv]                     # for a text encoder with random weights: [embedding]
  # sketch_error: 0.02                           # raises sketch_features until this relative error on T is met
  # sample: {count: 500}                         # exact: rows with gradients; time and memory grow with its square

# discrepancy:                                   # a term of Eq. 8: reported next to the value, or part of it with eq8
#   labels: 1                                    # classification: compare labels too, so wrong ones add distance
#   permutations: 999                            # for p-values against T; needs ntk.method: exact

value:
  method: ntk-regression                         # predicted effect on T of training on the contributor, in nats. Or eq8
  # weights: equal-z                             # of Eq. 8's terms: or scale-matched, published, shipped, fitted, davinz
  half_samples: 200                              # replicates for the intervals; 0: no intervals
  confidence: 0.95
  coalitions: 1000                               # most coalitions valued for Shapley values; 0: none

# runtime:
#   gradient_bytes: 2000000000                   # exact: gradients in memory per task; less means more passes

seed: 0
""")


def write_template(folder: Path, task: str) -> Path:
    """Write `mixval.yaml` into `folder`; never over an existing file."""
    if task not in TASKS:
        raise ConfigError(f"--task: expected one of {', '.join(TASKS)}, found {task!r}. Choose one of them.")
    file = folder / FILE
    if file.exists():
        raise ConfigError(f"{file}: the file exists already. Move it, or choose another folder.")
    folder.mkdir(parents=True, exist_ok=True)
    spec = TASKS[task]
    rows = ", ".join(column.example for column in (*spec.columns, ORIGIN))
    file.write_text(TEMPLATE.substitute(task=task, rows=rows, backbone=spec.example_backbone, file=FILE), encoding="utf-8")
    return file
