"""The whole run against an S3 server over the wire: shards in, results out, nothing on the local disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL

from mixval.config.runtime import RuntimeConfig
from mixval.config.source import StorageConfig
from mixval.config.valuation import ValuationConfig
from mixval.contracts.results import ranking_schema
from mixval.publish.stored_run import open_run
from mixval.stages.account import Account
from mixval.stages.in_process import InProcess
from mixval.stages.jobs import MeasureJob
from mixval.stages.preparing import PreparedRun
from mixval.stages.runs import Checked
from mixval.stages.terms import StepsOf, contributor_steps
from mixval.stages.whole_run import FinishedRun, publish_finished, run_here, run_stages
from mixval.storage.pointer import read_latest
from mixval.storage.root import Location, open_location
from mixval_flows.api import _drain
from mixval_flows.runner import LazyCluster
from mixval_flows.valuation import valuation
from mixval_tasks.cluster import use_cluster
from tests.s3_server import S3Bucket
from tests.worlds import World, planted

pytestmark = pytest.mark.s3


@pytest.fixture
def remote(s3_bucket: S3Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[World, ValuationConfig]:
    """A planted world whose shards lie in the bucket."""
    for name, setting in s3_bucket.environment.items():
        monkeypatch.setenv(name, setting)
    world = planted(tmp_path, "language-modelling")
    for file in sorted(tmp_path.rglob("*.parquet")):
        target = open_location(s3_bucket.url).child(*file.relative_to(tmp_path).parts)
        target.write_bytes(file.read_bytes())
    url = s3_bucket.url
    source = {"contributors": f"{url}/source", "target": f"{url}/target", "storage": {"endpoint_url": s3_bucket.endpoint}}
    return world, world.config(source=source, output=f"{url}/out")


@pytest.fixture
def cluster_with_keys(remote: tuple[World, ValuationConfig], prefect_api: None) -> Iterator[LazyCluster]:
    """Workers of its own: credentials reach them from the environment in which the cluster starts."""
    lazy = LazyCluster(RuntimeConfig(workers=1))
    yield lazy
    lazy.close()


def test_a_run_reads_from_and_publishes_to_s3(
    remote: tuple[World, ValuationConfig],
    cluster_with_keys: LazyCluster,
    s3_bucket: S3Bucket,
    caplog: pytest.LogCaptureFixture,
) -> None:
    world, config = remote
    with use_cluster(cluster_with_keys):
        summary = valuation(config)
        assert summary.url == f"{config.output}/runs/{summary.run_id}"
        stored = open_run(summary.url)
        assert stored.ranking.schema.equals(ranking_schema(), check_metadata=True)
        assert stored.ranking["contributor"].to_pylist()[0] == "near"
        latest = read_latest(open_location(config.output, StorageConfig()))
        assert latest is not None
        assert latest.run_id == summary.run_id
        assert valuation(config).up_to_date
    assert not world.output.exists(), "nothing may be written beside the bucket"
    written = {file.url: file.read_bytes() for file in open_location(str(config.output)).files()}
    assert any("/telemetry/lineage/" in url for url in written)
    assert f"{config.output}/telemetry/valuation.prom" in written
    _drain(10)
    database = str(PREFECT_API_DATABASE_CONNECTION_URL.value()).rpartition("sqlite+aiosqlite:///")[2].partition("?")[0]
    written |= {str(file): file.read_bytes() for file in Path(database).parent.glob(f"{Path(database).name}*")}
    assert database in written
    written["log"] = caplog.text.encode()
    for secret in (s3_bucket.secret, s3_bucket.key):
        assert [url for url, content in written.items() if secret.encode() in content] == []


class WhileItChanges(InProcess):
    """A run within which an object is written anew, between its plan and its gate, or its gate and its measuring."""

    def __init__(self, moment: str, file: Location) -> None:
        self._moment, self._file = moment, file

    def check(self, config: ValuationConfig, prepared: PreparedRun, n_missing: int) -> Checked:
        """Perhaps after a change."""
        self._change("gate")
        return super().check(config, prepared, n_missing)

    def measure(self, jobs: Sequence[MeasureJob], target: MeasureJob, steps_of: StepsOf = contributor_steps) -> dict[str, str]:
        """Perhaps after a change."""
        self._change("measure")
        return super().measure(jobs, target, steps_of)

    def _change(self, stage: str) -> None:
        if stage == self._moment:
            table = pq.read_table(pa.BufferReader(self._file.read_bytes()))
            written = pa.BufferOutputStream()
            pq.write_table(table.take(pa.array(range(table.num_rows)[::-1])), written)
            self._file.write_bytes(written.getvalue().to_pybytes())


@pytest.mark.parametrize("moment", ["gate", "measure"])
def test_an_object_that_changes_within_a_run_fails_its_contributor_by_name(
    remote: tuple[World, ValuationConfig], s3_bucket: S3Bucket, moment: str
) -> None:
    _, config = remote
    config = config.model_copy(update={"output": f"{config.output}-{moment}"})
    file = open_location(s3_bucket.url).child("source", "contributor=near", "part-0.parquet")
    whole, account = file.read_bytes(), Account()
    run = run_stages(config, WhileItChanges(moment, file), account)
    assert isinstance(run, FinishedRun)
    stored = open_run(publish_finished(run, account).url)
    outcomes = {one.contributor: (one.verdict, one.reason or "") for one in stored.manifest.outcomes}
    assert outcomes["near"][0] == "failed"
    assert "contributor=near/part-0.parquet: expected its content" in outcomes["near"][1]
    assert "as it was listed" in outcomes["near"][1]
    assert set(stored.ranking["contributor"].to_pylist()) == {"mixed", "far"}
    file.write_bytes(whole)
    again = run_here(config)
    assert (again.n_ranked, again.n_failed, again.recomputed_contributors) == (3, 0, ["near"])
