"""Documents for a synthesis, and the valuation of what it makes beside them: the part `synthesis` of `make demo`."""

from __future__ import annotations

import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from rich.console import Console

from examples.generator import ANSWERS
from mixval.cli.progress_view import front_end
from mixval.cli.summary_view import print_summary
from mixval.cli.synthesis_view import print_synthesis
from mixval.config.load import load_config_as, parse_config
from mixval.config.synthesis import SynthesisConfig
from mixval.config.valuation import ValuationConfig
from mixval.progress import shown_by
from mixval.synthesis.local import computed_here
from mixval.synthesis.publishing import SynthesisSummary
from mixval.synthesis.whole import synthesize_with
from mixval_flows.front import Session

CONFIG = ANSWERS / "synthesis.yaml"
LAID_OUT = ANSWERS / "out" / "synthesis"
N_DOCUMENTS = 96


def lay_out(folder: Path) -> None:
    """What people have written, as documents and as the target: solutions, each with an id."""
    source = ANSWERS / "data" / "contributors" / "contributor=alder"
    for name, found in {"people": source, "target": ANSWERS / "data" / "target"}.items():
        rows = pq.read_table(found)
        chosen = rows.filter(pc.equal(rows["origin"], "real")).slice(0, N_DOCUMENTS)
        table = pa.table({"id": chosen["id"], "text": chosen["response"], "origin": chosen["origin"]})
        (folder / name).mkdir(parents=True, exist_ok=True)
        pq.write_table(table, folder / name / "part-000.parquet")


def valuation(folder: Path, made: SynthesisSummary) -> ValuationConfig:
    """What was made beside what it was made from."""
    contributors = {"people": str(folder / "people"), made.generator: made.rows_url}
    return parse_config(
        {
            "task": "language-modelling",
            "source": {"contributors": contributors, "target": str(folder / "target")},
            "output": str(folder / "valued"),
            "backbone": {"random_init": {"architecture": "ngrams"}, "max_length": 512},
            "value": {"coalitions": 0},
            "ntk": {"method": "sketched", "sketch_features": 512},
            "gate": {"data_docs": False},
        }
    )


def show_synthesis(value: Session, console: Console) -> None:
    """Rephrase with the small generator, in this process, then value its rows beside those that people wrote."""
    began = time.perf_counter()
    console.rule("[bold]synthesis[/bold]")
    lay_out(LAID_OUT)
    config = load_config_as(SynthesisConfig, CONFIG)
    with front_end(quiet=False) as progress, shown_by(progress):
        made = synthesize_with(config, computed_here)
    print_synthesis(made, console)
    with front_end(quiet=False) as progress:
        print_summary(value(valuation(LAID_OUT, made), progress), console)
    console.print(f"made and valued in {time.perf_counter() - began:.0f} s.")
