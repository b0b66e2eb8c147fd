"""`mixval synthesize`: a dry run, rows from a server, what people and machines are told, and exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from benchmarks.synthesis.tiny import save_tiny
from mixval.cli.synthesis_view import print_synthesis
from mixval.errors import GeneratorError
from mixval.synthesis.publishing import SynthesisSummary
from tests.cli.command_line import invoke
from tests.synthesis.conftest import TEXTS, listening, store, url_of


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    store(tmp_path / "documents.parquet", list(TEXTS))
    return {
        "recipe": "hq-rephrase",
        "source": {"documents": "documents.parquet"},
        "output": "out",
        "generator": {"kind": "openai", "model": "tiny", "retry_seconds": 0.001},
        "sampling": {"max_tokens": 8},
        "filters": {"cut": False, "min_tokens": 0, "language": None},
    }


def test_a_dry_run_asks_nothing_a_run_makes_rows_and_the_next_one_reuses_them(
    prefect_api: None, tmp_path: Path, config: dict[str, Any]
) -> None:
    file = tmp_path / "synthesis.yaml"
    with listening(save_tiny(tmp_path / "model")) as server:
        config["generator"] |= {"base_url": url_of(server), "input_price": 1.0, "output_price": 2.0}
        file.write_text(yaml.safe_dump(config))
        dry = invoke("synthesize", file, "--dry-run", "--json")
        assert dry.exit_code == 0, dry.output
        estimate = json.loads(dry.stdout)
        assert (estimate["n_requests"], estimate["n_answered"], estimate["most_completion_tokens"]) == (6, 0, 48)
        assert estimate["cost"] > 0
        assert not (tmp_path / "out").exists()
        assert next(server.numbers) == 0  # nobody asked before
        done = invoke("synthesize", file, "--json")
        assert done.exit_code == 0, done.output
        summary = json.loads(done.stdout)
        assert (summary["n_planned"], summary["n_asked"], summary["n_failed"]) == (6, 6, 0)
    rows = Path(summary["url"].removeprefix("file://")) / "rows"
    assert pq.read_table(rows).num_rows == summary["n_kept"]
    again = invoke("synthesize", file)  # the server is gone
    assert again.exit_code == 0, again.output
    said = " ".join(again.stdout.split())
    assert f"6 rows planned from 6 documents: {summary['n_kept']} kept" in said
    assert "0 requests asked, 6 reused from the journal" in said
    assert "Value them as a contributor: source: {contributors: {tiny: " in said


def test_a_server_that_is_not_there_is_an_exit_code_and_what_to_do(
    prefect_api: None, tmp_path: Path, config: dict[str, Any]
) -> None:
    file = tmp_path / "synthesis.yaml"
    file.write_text(yaml.safe_dump(config))
    given = ("--set", "generator.base_url=http://127.0.0.1:9/v1", "--set", "generator.give_up_after=2")
    done = invoke("synthesize", file, *given)
    assert done.exit_code == GeneratorError.exit_code
    assert "Run again when it answers" in done.stderr
    assert invoke("synthesize", file, "--set", "recipe=poem").exit_code == 2


def test_what_was_cut_is_told_with_what_to_change(capsys: pytest.CaptureFixture[str]) -> None:
    known = {"run_id": "r", "url": "file:///out", "recipe": "hq-rephrase", "generator": "g", "revision": "1", "n_documents": 8}
    counts = {"n_planned": 8, "n_dropped": 8, "n_kept": 0, "n_failed": 0, "dropped": {"cut": 8}}
    summary = SynthesisSummary.model_validate({**known, **counts})
    print_synthesis(summary)
    said = " ".join(capsys.readouterr().out.split())
    assert "raise sampling.max_tokens; those alone are asked anew" in said
    assert "No row is left to use." in said
    print_synthesis(summary.model_copy(update={"dropped": {"too-short": 8}}))
    assert "raise sampling.max_tokens" not in capsys.readouterr().out
