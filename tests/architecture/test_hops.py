"""Who follows a configuration from the flow to the first number passes few files: `benchmarks/house/hops.py` counts them."""

import gc
from pathlib import Path

from benchmarks.house.hops import MOST_FILES, NUMERIC, holds_configuration, trip
from benchmarks.plain_stages import EXAMPLE
from mixval.config.load import load_config
from mixval.config.valuation import ValuationConfig
from mixval.contracts.plan import ContributorPlan
from mixval.stages.jobs import target_job
from mixval.stages.preparing import stash_prepared
from mixval.storage.listing import list_inputs
from mixval.storage.root import open_location
from mixval.terms.composition.term import composition_term
from mixval_flows.valuation import valuation


def of_example(output: Path) -> ValuationConfig:
    return load_config(EXAMPLE).model_copy(update={"output": str(output)})


def test_a_configuration_passes_few_files_from_the_flow_to_the_first_number(tmp_path: Path) -> None:
    config = of_example(tmp_path)
    found = trip(lambda: valuation.fn(config))
    assert found.given[0] == "flows/mixval_flows/valuation.py", found.given[:4]
    assert found.call_path[-1].startswith(NUMERIC)
    assert {*found.call_path[:-1]} < {*found.given} < {*found.entered}
    assert len(found.given) <= MOST_FILES


def test_what_another_run_left_half_way_is_no_part_of_the_trip(tmp_path: Path) -> None:
    half_way = [stash_prepared(of_example(tmp_path), None)]
    half_way[0].__enter__()
    half_way.append(half_way)  # only a collection of garbage ends it now
    del half_way
    found = trip(lambda: (gc.collect(), composition_term(1, 1)))
    assert (found.entered, found.given) == (["mixval/terms/composition/term.py"], [])


def test_a_job_carries_the_configuration_and_an_opened_location_does_not(tmp_path: Path) -> None:
    config = of_example(tmp_path)
    _, shards = list_inputs(config.source)
    sizes = {"n_rows": 1, "n_sampled": 1, "n_gradient_rows": 0, "n_passes": 1, "task_bytes": 0, "seconds": 0.0}
    plan = ContributorPlan(name="target", shards=shards, **sizes)
    assert holds_configuration(config.source.storage)
    assert holds_configuration(target_job(config, plan, {}, None))
    assert not holds_configuration(open_location(config.output, config.source.storage))
    assert not holds_configuration(plan)
