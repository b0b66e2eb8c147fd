"""The complete configuration of a valuation: the only parameter of the flow, stored with the results of each run."""

from typing import Any, Literal

from pydantic import Field, model_validator

from mixval.config.backbone import BackboneConfig
from mixval.config.base import FrozenModel
from mixval.config.gate import GateConfig
from mixval.config.runtime import RuntimeConfig
from mixval.config.sample import SampleConfig
from mixval.config.source import SourceConfig
from mixval.config.tasks import CHECKPOINT_DAMPING, NGRAM_DAMPING, TASKS, Task, TaskSpec, spec_of
from mixval.config.terms import STORES_ROWS, DiscrepancyConfig, LossConfig, NtkConfig
from mixval.config.value import ValueConfig

FEATURES_OF = {"backbone": "a backbone", "pixels": "images", "backbone-and-answer": "prompts and responses"}
"""What each of `discrepancy.features` needs, in words."""
DEFAULT_METHOD = ValueConfig.model_fields["method"].default
PRESETS: dict[str, dict[str, Any]] = {
    # v = -kappa NTK - MMD, with the settings of DAVINZ's public code (see docs/method.md).
    "davinz": {
        "backbone": {"batch_norm": "neutral"},
        "discrepancy": {
            "features": "pixels",
            "bandwidths": [5.0],
            "estimator": "biased",
            "scale": "root",
            "parts": "pooled",
        },
        "ntk": {
            "method": "exact",
            "output": "logit",
            "residual": "one-minus-output",
            "parameters": ["linear", "conv"],
            "damping": 1e-4,
            "damping_mode": "absolute",
            "n_blocks": 100,
        },
        "value": {"method": "eq8", "weights": "davinz"},
    }
}


class ValuationConfig(FrozenModel):
    """Everything that a valuation needs. `preset` fills in fields that are not given."""

    task: Task
    """What the rows are for. It determines the columns that rows must have (the row contract)."""
    source: SourceConfig
    """Contributors and target set: where the rows are."""
    output: str
    """URL under which runs, artifacts and `latest.json` are written."""
    tables: str | None = None
    """URL below which ranking and terms of each run are appended to the Delta tables `ranking` and `terms`, once a run: a local
    folder, or under `s3://`. Valuations may share them. None: none are written."""
    backbone: BackboneConfig
    """The model at its initial checkpoint."""
    preset: Literal["davinz"] | None = None
    """A named set of settings. Fields that are given override it."""
    sample: SampleConfig = SampleConfig(count=2000)
    """Rows per contributor that pass through the backbone, for losses and features."""
    gate: GateConfig = GateConfig()
    """Limits that rows and contributors must meet."""
    loss: LossConfig = LossConfig()
    """The loss term."""
    discrepancy: DiscrepancyConfig = DiscrepancyConfig()
    """The discrepancy term."""
    ntk: NtkConfig = NtkConfig()
    """The NTK term."""
    value: ValueConfig = ValueConfig()
    """From terms to values."""
    runtime: RuntimeConfig = RuntimeConfig()
    """Cluster, workers and memory."""
    seed: int = Field(default=0, ge=0)
    """Seed of all random draws: samples, replicates, permutations."""

    @property
    def task_spec(self) -> TaskSpec:
        """The specification of the task."""
        return spec_of(self.task)

    @property
    def reads_answers(self) -> bool:
        """Whether values depend on how answers fit their prompts: those under counts of bytes and words hardly do."""
        made = self.backbone.random_init
        return not (self.task_spec.has_prompt and made is not None and made.architecture == "ngrams")

    @property
    def has_trained_gain(self) -> bool:
        """Whether the value is a causal LM's gain less the displacement penalty: `value.gain`, or its default for the
        backbone."""
        if self.value.method != "ntk-regression" or not self.task_spec.is_causal:
            return False
        return self.value.gain == "trained" or (self.value.gain is None and self.backbone.random_init is None)

    @property
    def values_rows_read(self) -> bool:
        """Whether rows without gradients enter the value, too: `value.rows`, or its default. Sketched, all rows have
        gradients."""
        if self.value.method != "ntk-regression" or not self.ntk.stores_rows:
            return False
        return (self.value.rows or self._default_rows) == "read"

    @property
    def _default_rows(self) -> Literal["read", "gradients"]:
        return "read" if self.task_spec.has_labels and self.discrepancy.features == "backbone" else "gradients"

    # The last validator below runs first: a preset is applied before what follows from it, and both before task defaults.
    @model_validator(mode="before")
    @classmethod
    def _default_parameters(cls, given: Any) -> Any:
        task = given.get("task") if isinstance(given, dict) else None
        if not isinstance(task, str) or task not in TASKS:  # an unknown task is refused by its field
            return given
        return merge({"ntk": {"parameters": list(TASKS[task].parameters)}}, given)

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_language_models(cls, given: Any) -> Any:
        """A checkpoint is trained further by steps in units of the gradients' roots of second moments, which is the geometry of
        the preconditioned kernel. The n-gram language model is linear in contexts that two texts rarely share, so that only a
        value near the mean inner product of S's and T's gradients tells texts apart (docs/laboratory.md)."""
        task = given.get("task") if isinstance(given, dict) else None
        spec = TASKS.get(task) if isinstance(task, str) else None
        sections = [given.get(name, {}) for name in ("value", "ntk")] if spec is not None else []
        if spec is None or not spec.is_causal or not all(isinstance(one, dict) for one in sections):
            return given
        value, ntk = sections
        backbone = given.get("backbone")
        init = backbone.get("random_init") if isinstance(backbone, dict) else getattr(backbone, "random_init", None)
        name = init.get("architecture") if isinstance(init, dict) else getattr(init, "architecture", None)
        if name == "ngrams":
            return merge({"value": {"damping": NGRAM_DAMPING}}, given)
        is_regression = value.get("method", DEFAULT_METHOD) == "ntk-regression"
        if init is not None or not is_regression or ntk.get("preconditioner", "target") != "target":
            return given
        return merge({"value": {"damping": CHECKPOINT_DAMPING}, "ntk": {"preconditioner": "target"}}, given)

    @model_validator(mode="before")
    @classmethod
    def _default_output_of_regression(cls, given: Any) -> Any:
        """The regression value needs one kernel for all classes, so `mix` is the default of `ntk.output` with it."""
        value = given.get("value", {}) if isinstance(given, dict) else None
        method = value.get("method", DEFAULT_METHOD) if isinstance(value, dict) else getattr(value, "method", None)
        if method != "ntk-regression" or not isinstance(given.get("ntk", {}), dict):
            return given
        filled = merge({"ntk": {"output": "mix"}}, given)
        if filled["ntk"]["output"] != "mix":
            return filled
        return merge({"ntk": {"residual": "one-minus-probability"}}, filled)

    @model_validator(mode="before")
    @classmethod
    def _fill_in_preset(cls, given: Any) -> Any:
        if not isinstance(given, dict) or given.get("preset") not in PRESETS:
            return given
        return merge(PRESETS[given["preset"]], given)

    @model_validator(mode="before")
    @classmethod
    def _default_discrepancy_of_sums(cls, given: Any) -> Any:
        """Sums contain mean embeddings, so `random-features` is the default discrepancy of a method that stores no rows."""
        if not isinstance(given, dict):
            return given
        ntk, default = given.get("ntk", {}), NtkConfig().method
        method = ntk.get("method", default) if isinstance(ntk, dict) else getattr(ntk, "method", None)
        if not isinstance(method, str) or STORES_ROWS.get(method, True):
            return given
        return merge({"discrepancy": {"method": "random-features"}}, given)

    @model_validator(mode="after")
    def _fits_sums(self) -> "ValuationConfig":
        if not self.ntk.stores_rows and (self.discrepancy.method != "random-features" or self.discrepancy.permutations):
            raise ValueError(
                f"`ntk.method: {self.ntk.method}` stores sums and no rows, so it needs `discrepancy.method: random-features` "
                f"and `permutations: 0`, found `{self.discrepancy.method}` and {self.discrepancy.permutations}. Write so, or "
                "`ntk.method: exact`"
            )
        return self

    @model_validator(mode="after")
    def _fits_regression(self) -> "ValuationConfig":
        if self.value.method != "ntk-regression":
            return self
        if self.ntk.output != "mix":
            raise ValueError(
                f"`value.method: ntk-regression` needs one kernel for all classes, so `ntk.output: mix`; found "
                f"`{self.ntk.output}`. Leave `ntk.output` out, or use `value.method: eq8`"
            )
        return self

    @model_validator(mode="after")
    def _fits_groups(self) -> "ValuationConfig":
        if self.value.groups and (self.ntk.stores_rows or self.value.method != "ntk-regression"):
            raise ValueError(
                f"`value.groups` needs sums by group, so `ntk.method: sketched` and `value.method: ntk-regression`; found "
                f"`{self.ntk.method}` and `{self.value.method}`. Write these, or leave `value.groups` out"
            )
        return self

    @model_validator(mode="after")
    def _fits_corpus(self) -> "ValuationConfig":
        if self.value.corpus and not self.task_spec.is_text:
            raise ValueError(f"`value.corpus` counts tokens of texts, found the task {self.task}. Leave it out")
        return self

    @model_validator(mode="after")
    def _fits_rows(self) -> "ValuationConfig":
        if self.values_rows_read and self._default_rows != "read":
            raise ValueError(
                "`value.rows: read` needs labels, and the backbone's features of rows without gradients; the task is "
                f"{self.task}, with `discrepancy.features: {self.discrepancy.features}`. Leave `value.rows` out"
            )
        return self

    @model_validator(mode="after")
    def _fits_task(self) -> "ValuationConfig":
        spec, features = self.task_spec, self.discrepancy.features
        if features not in spec.features:
            raise ValueError(
                f"`discrepancy.features: {features}` needs {FEATURES_OF[features]}; the task is {self.task}. Use "
                + ", or ".join(f"`{fitting}`" for fitting in spec.features)
            )
        if features == "backbone-and-answer" and self.backbone.module is not None:
            raise ValueError(
                "`discrepancy.features: backbone-and-answer` needs a checkpoint, found an own module. Use `backbone`"
            )
        if self.discrepancy.labels is not None and not spec.has_labels:
            raise ValueError(f"`discrepancy.labels` needs rows with a label; the task is {self.task}. Leave it out")
        if self.backbone.lora is None and "lora" in self.ntk.parameters:
            raise ValueError(
                "`ntk.parameters` contains lora, but `backbone.lora` is not set. Set it, or choose other parameters"
            )
        made = self.backbone.random_init
        if made is not None and made.architecture not in spec.architectures:
            raise ValueError(
                f"`random_init.architecture: {made.architecture}` does not fit the task {self.task}. Choose one of: "
                + ", ".join(spec.architectures)
            )
        return self


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`base` with the entries of `over` on top, section by section."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged
