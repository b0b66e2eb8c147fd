"""The complete configuration of a gate in front of a table: inbox, table, target, model and policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from mixval.config.backbone import BackboneConfig
from mixval.config.base import FrozenModel
from mixval.config.gate import GateConfig
from mixval.config.policy import PolicyConfig
from mixval.config.runtime import RuntimeConfig
from mixval.config.source import LimitsConfig, OriginRule, SourceConfig, StorageConfig
from mixval.config.tasks import Task
from mixval.config.valuation import ValuationConfig


class IngestionConfig(FrozenModel):
    """Everything that `mixval gate` needs: what lies in the inbox is valued given what the table holds, and enters or not."""

    task: Task
    """What the rows are for. It determines the columns that rows must have (the row contract)."""
    inbox: str
    """URL of a folder with one subfolder per contributor (`contributor=NAME/` or `NAME/`); each file in one is a delivery."""
    table: str
    """URL of the Delta table that accepted rows are appended to. Made with the first of them when there is none."""
    target: str
    """URL of the target set T, as `source.target` of a valuation."""
    state: str
    """URL under which pinned copies, decisions, statistics and reports are written. Not below the inbox or the table."""
    backbone: BackboneConfig
    """The model at its initial checkpoint."""
    columns: dict[str, str | list[str]] = Field(default_factory=dict)
    """As `source.columns` of a valuation."""
    origin: OriginRule = "column"
    """As `source.origin` of a valuation; not `folder`, since each delivery is one file, whose copy has no folders."""
    storage: StorageConfig = StorageConfig()
    """How the URLs above are opened."""
    limits: LimitsConfig = LimitsConfig()
    """Most that a contributor may have in the inbox: of one that has more, nothing is taken. For rows see `gate.max_rows`."""
    gate: GateConfig = GateConfig()
    """Limits that rows and deliveries must meet before they are valued."""
    policy: PolicyConfig = PolicyConfig()
    """When a batch may enter."""
    valuation: dict[str, Any] = Field(default_factory=dict)
    """Sections of a valuation's configuration, where they differ from its defaults:
    `ntk`, `discrepancy`, `value`, `sample`, `loss`."""
    runtime: RuntimeConfig = RuntimeConfig()
    """Cluster, workers and memory."""
    seed: int = Field(default=0, ge=0)
    """Seed of all random draws."""

    def valuing(self, deliveries: Mapping[str, str]) -> ValuationConfig:
        """The valuation of these deliveries, name -> URL of the pinned copy: by mergeable statistics, so that holdings grow by
        addition."""
        sections = dict(self.valuation)
        ntk = {"method": "sketched"} | dict(sections.pop("ntk", {}))
        source = SourceConfig(
            contributors=dict(deliveries) or "unused",
            target=self.target,
            columns=self.columns,
            origin=self.origin,
            storage=self.storage,
        )
        return ValuationConfig(
            task=self.task,
            source=source,
            output=self.state,
            backbone=self.backbone,
            gate=self.gate,
            ntk=ntk,
            runtime=self.runtime,
            seed=self.seed,
            **sections,
        )

    @model_validator(mode="after")
    def _origin_is_in_the_file(self) -> IngestionConfig:
        if self.origin == "folder":
            raise ValueError(
                "`origin: folder`: each delivery is one file, found a rule that looks at folders. Write a column `origin` into "
                "the files, or set `origin: real` or `synthetic`"
            )
        return self

    @model_validator(mode="after")
    def _is_a_valuation(self) -> IngestionConfig:
        allowed = {"ntk", "discrepancy", "value", "sample", "loss"}
        if unknown := sorted(set(self.valuation) - allowed):
            raise ValueError(f"`valuation`: expected any of {', '.join(sorted(allowed))}, found {', '.join(unknown)}")
        config = self.valuing({})
        if config.ntk.stores_rows or config.value.method != "ntk-regression":
            raise ValueError(
                "`valuation`: a gate adds up statistics, so it needs `ntk.method: sketched` and `value.method: "
                f"ntk-regression`, found `{config.ntk.method}` and `{config.value.method}`. Leave them out"
            )
        if config.value.replicates == 0:
            raise ValueError(
                "`valuation`: rules compare ends of intervals, so a gate needs `value.replicates`, found 0. Leave it out"
            )
        return self
