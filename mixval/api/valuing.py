"""`mixval.value`: tables or URLs in, a ranking out, by the same stages as `mixval value`."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mixval.api.backbone import Backbone, Settings, backbone_fields, fields_of
from mixval.api.result import ValuationResult
from mixval.api.source import Columns, Contributors, Url, Where, source_of
from mixval.api.tables import Table
from mixval.config.gate import GateConfig
from mixval.config.load import parse_config, parse_config_as
from mixval.config.runtime import RuntimeConfig
from mixval.config.sample import SampleConfig
from mixval.config.source import OriginRule, StorageConfig
from mixval.config.tasks import Task
from mixval.config.terms import DiscrepancyConfig, LossConfig, NtkConfig
from mixval.config.valuation import ValuationConfig
from mixval.config.value import ValueConfig
from mixval.errors import ConfigError
from mixval.progress import shown_by
from mixval.publish.stored_run import open_run_at
from mixval.storage.root import Location, open_location

if TYPE_CHECKING:
    from torch import Tensor


def value(
    contributors: Contributors,
    target: Table | Url,
    backbone: Backbone,
    *,
    tokenizer: Any = None,
    transform: Callable[[Any], Tensor] | None = None,
    task: Task | None = None,
    output: Url | None = None,
    columns: Columns | None = None,
    origin: OriginRule | Mapping[str, str] | None = None,
    layout: Literal["folders", "column"] = "folders",
    contributor_column: str = "contributor",
    storage: Settings[StorageConfig] = None,
    preset: Literal["davinz"] | None = None,
    sample: Settings[SampleConfig] = None,
    gate: Settings[GateConfig] = None,
    loss: Settings[LossConfig] = None,
    discrepancy: Settings[DiscrepancyConfig] = None,
    ntk: Settings[NtkConfig] = None,
    value: Settings[ValueConfig] = None,
    runtime: Settings[RuntimeConfig] = None,
    seed: int = 0,
    cluster: bool = False,
    progress: bool = False,
) -> ValuationResult:
    """The ranking of contributors by what their rows are worth for the target set, before any training (docs/api.md).

    Args:
        contributors: Name -> table or URL of each; or one URL of a folder with a subfolder for each. Tables are of pandas,
            polars, pyarrow or `datasets`.
        target: Held-out real rows, the set T: a table, or the URL of a file or folder.
        backbone: A folder or hub name (`org/model@revision`), fields of the configuration's `backbone`, or a torch module,
            to which `tokenizer` and `transform` belong (`OwnModule`).
        task: What the rows are for. None: found by the columns, of which `columns` maps others to the row contract.
        output: Where run and artifacts are written, and reused. None: a temporary folder, deleted with the result.
        origin: Where a row's origin stands: a column, one value for all rows, or one for each table by name.
        cluster: Whether to compute on the flow's Dask cluster and not in this process.

    The others are sections of the configuration. Raises an error of `mixval.errors` that says what to do.
    """
    rooms = {"sample": sample, "gate": gate, "loss": loss, "discrepancy": discrepancy, "ntk": ntk, "value": value}
    given = {name: fields_of(room, name) for name, room in (rooms | {"runtime": runtime}).items() if room is not None}
    chosen_preset = {"preset": preset} if preset else {}
    with _output(output, storage) as (root, temporary), backbone_fields(backbone, tokenizer, transform) as model:
        where = Where(columns or {}, origin, layout, contributor_column, fields_of(storage, "storage"))
        chosen, source = source_of(contributors, target, root, task, where)
        placed = {"task": chosen, "source": source, "output": root.url.removeprefix("file://"), "backbone": model, "seed": seed}
        config = parse_config(chosen_preset | given | placed, where="mixval.value")
        return ValuationResult(open_run_at(open_location(_run(config, cluster, progress), root.options)), temporary)


@contextmanager
def _output(given: Url | None, storage: Settings[StorageConfig]) -> Iterator[tuple[Location, Path | None]]:
    """The output root, and its folder where it is a temporary one, which does not outlive an error."""
    options = parse_config_as(StorageConfig, fields_of(storage, "storage"), "storage")
    if given is not None:
        yield open_location(given, options), None
        return
    folder = Path(tempfile.mkdtemp(prefix="mixval-"))
    try:
        yield open_location(folder, options), folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _run(config: ValuationConfig, cluster: bool, progress: bool) -> str:
    """The URL of the run's folder."""
    from mixval.cli.flows import registry
    from mixval.cli.progress_view import front_end

    if cluster:
        if config.backbone.module is not None:
            raise ConfigError(
                "cluster: expected a backbone that workers can load, found a module of this process. Leave `cluster` out, or "
                "save the model as a checkpoint and give its folder."
            )
        with front_end(not progress) as shown:
            return str(registry().flow_named("valuation").run(config, shown).url)  # type: ignore[attr-defined]  # a RunSummary
    from mixval.stages.whole_run import run_here

    if not progress:
        return run_here(config).url
    with front_end(quiet=False) as shown, shown_by(shown):
        return run_here(config).url
