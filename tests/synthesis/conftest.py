"""A causal LM of a few thousand weights with a chat template, and documents, for all tests of synthesis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.synthesis.chat_server import ChatServer
from benchmarks.synthesis.tiny import save_tiny
from mixval.config.generators import TransformersGeneratorConfig
from mixval.config.synthesis import SynthesisConfig
from mixval.synthesis.local import LocalModel

Configure = Callable[..., SynthesisConfig]
TEXTS = [f"Note {at}: the {word} was seen near the {place} at noon." for at, (word, place) in enumerate(
    [("heron", "mill"), ("otter", "weir"), ("swift", "tower"), ("hare", "hedge"), ("newt", "pond"), ("wren", "ivy")]
)]  # fmt: skip


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with it."""
    return save_tiny(tmp_path_factory.mktemp("tiny") / "model")


def store(file: Path, texts: list[str | None], **columns: Any) -> Path:
    """Documents as a Parquet file."""
    ids = [f"doc-{at}" for at in range(len(texts))]
    pq.write_table(pa.table({"id": ids, "text": pa.array(texts, pa.string()), **columns}), file)
    return file


@pytest.fixture
def configure(tmp_path: Path, model: Path) -> Configure:
    """A configuration on `TEXTS` with the tiny model, and changes of it, by section."""
    documents = store(tmp_path / "documents.parquet", list(TEXTS))

    def made(**changes: Any) -> SynthesisConfig:
        given: dict[str, Any] = {
            "source": {"documents": str(documents)},
            "output": str(tmp_path / "out"),
            "recipe": "hq-rephrase",
            "generator": {"kind": "transformers", "model": str(model), "batch_rows": 4},
            "sampling": {"max_tokens": 12},
            "filters": {"cut": False, "min_tokens": 0, "language": None},
        }
        for section, change in changes.items():
            merges = isinstance(change, dict) and isinstance(given.get(section), dict) and "kind" not in change
            given[section] = {**given[section], **change} if merges else change
        return SynthesisConfig.model_validate(given)

    return made


@contextmanager
def listening(model: Path) -> Iterator[ChatServer]:
    """A server in this process with the model behind it, whose faults a test sets."""
    server = ChatServer(LocalModel(TransformersGeneratorConfig(kind="transformers", model=str(model)), "cpu"), {}, None)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def url_of(server: ChatServer) -> str:
    """Its URL."""
    return f"http://127.0.0.1:{server.server_address[1]}/v1"
