"""A model that knows English, SmolLM2-135M-Instruct, as a generator: in this process, and behind a server with faults."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from benchmarks.synthesis.server_process import serving
from examples.pretrained.unpack import LANGUAGE, unpack
from mixval.synthesis.local import computed_here
from mixval.synthesis.whole import synthesize_with
from tests.synthesis.conftest import Configure, store

pytestmark = [pytest.mark.pretrained, pytest.mark.slow]
TEXTS = {
    "volcano": "A volcano is a vent in the crust of a planet from which lava, ash and gases escape. Most volcanoes on Earth "
    "are found where tectonic plates are moving apart or towards each other.",
    "bees": "Honey bees live in colonies with one queen. Worker bees collect nectar from flowers, turn it into honey, and "
    "store it in the cells of the comb for the winter.",
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(tmp_path_factory.mktemp("weights")) / LANGUAGE


def test_it_rephrases_in_english_and_a_server_with_faults_gives_the_same_rows(
    weights: Path, configure: Configure, tmp_path: Path
) -> None:
    documents = store(tmp_path / "notes.parquet", list(TEXTS.values()))
    shared = {
        "source": {"documents": str(documents)},
        "sampling": {"max_tokens": 32, "temperature": 0},  # so that both have the same words
        "filters": {"cut": False, "min_tokens": 0, "language": "en"},
    }
    local = {"kind": "transformers", "model": str(weights), "batch_rows": 1, "name": "smol"}
    here = synthesize_with(configure(generator=local, output=str(tmp_path / "here"), **shared), computed_here)
    assert (here.n_planned, here.n_kept) == (2, 2), here.dropped
    rows = {row["document"]: row for row in pq.read_table(here.rows_url.removeprefix("file://")).to_pylist()}
    for at, subject in enumerate(TEXTS):
        assert subject in rows[f"doc-{at}"]["text"].lower()
    with serving(weights, busy=1, dropped=1, half=1, of=4) as url:
        server = {"kind": "openai", "model": "smol", "base_url": url, "retry_seconds": 0.001}
        there = synthesize_with(configure(generator=server, output=str(tmp_path / "there"), **shared), computed_here)
    assert (there.n_planned, there.n_kept, there.n_asked) == (2, 2, 2), there.failed
    for other in pq.read_table(there.rows_url.removeprefix("file://")).to_pylist():
        own = rows[other["document"]]
        assert other["prompt_tokens"] == own["prompt_tokens"]
        assert other["text"][:40] == own["text"][:40]  # other threads round otherwise, which may part them later
