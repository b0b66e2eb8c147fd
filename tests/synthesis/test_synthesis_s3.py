"""Documents, journal and rows in a bucket: a process that is killed in the middle loses nothing that its journal has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from threading import Event
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mixval.storage.root import open_location
from mixval.synthesis.journal import Journal
from mixval.synthesis.local import computed_here
from mixval.synthesis.whole import synthesize_with
from tests.s3_server import S3Bucket
from tests.synthesis.conftest import Configure, listening, url_of

pytestmark = pytest.mark.s3
RUN = """
import sys
from mixval.config.synthesis import SynthesisConfig
from mixval.synthesis.local import computed_here
from mixval.synthesis.whole import synthesize_with
synthesize_with(SynthesisConfig.model_validate_json(sys.argv[1]), computed_here)
"""


def test_a_killed_run_goes_on_where_its_journal_in_the_bucket_ends(
    s3_bucket: S3Bucket, model: Path, configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, setting in s3_bucket.environment.items():
        monkeypatch.setenv(name, setting)
    root = open_location(f"{s3_bucket.url}/synthesis")
    root.child("documents.parquet").write_bytes((tmp_path / "documents.parquet").read_bytes())
    with listening(model) as server:
        source = {"documents": root.child("documents.parquet").url, "storage": {"endpoint_url": s3_bucket.endpoint}}
        generator = {"kind": "openai", "model": "tiny", "base_url": url_of(server), "timeout_seconds": 60}
        config = configure(source=source, output=f"{root.url}/out", recipe="textbook", chapters=2, generator=generator)
        real, reached, killed = server.completion, Event(), Event()

        def hold_chapters(given: dict[str, Any]) -> dict[str, Any]:
            if "write Chapter" in given["messages"][-1]["content"]:
                reached.set()
                killed.wait(60)
            return real(given)

        server.completion = hold_chapters  # type: ignore[method-assign]
        process = subprocess.Popen([sys.executable, "-c", RUN, config.model_dump_json()], stderr=subprocess.PIPE, text=True)
        try:
            assert reached.wait(120), "no chapter was asked for"
        finally:
            process.kill()
            process.communicate()
            killed.set()
        output = open_location(config.output, config.source.storage)
        assert len(Journal(output)) == 6  # the outlines
        assert not output.child("latest.json").exists()
        server.completion = real  # type: ignore[method-assign]
        summary = synthesize_with(config, computed_here)
    assert (summary.n_reused, summary.n_asked + summary.n_failed) == (6, 12)
    assert summary.n_planned == 12 == summary.n_kept + summary.n_dropped + summary.n_failed
    folder = open_location(summary.url, config.source.storage)
    documents = [
        row["id"]
        for table in ("rows", "dropped", "failed")
        for file in folder.child(table).files(".parquet")
        for row in pq.read_table(pa.BufferReader(file.read_bytes())).to_pylist()
    ]
    assert sorted(documents) == sorted(f"doc-{at}#chapter-{n}" for at in range(6) for n in (1, 2))
    assert not (tmp_path / "out").exists(), "nothing may be written beside the bucket"
    for file in output.files():
        content = file.read_bytes()
        assert s3_bucket.secret.encode() not in content
        assert s3_bucket.key.encode() not in content
