"""Asking the hub for a checkpoint: what is said of each answer, and of none within the bound."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from huggingface_hub import constants

from mixval.models.hub import missing_from_hub

NAME, REVISION = "mixval-tests/encoder", "0" * 40


@contextmanager
def hub_answering(status: int) -> Iterator[str]:
    class Answer(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(status)
            self.send_header("ETag", '"weights"')
            self.send_header("X-Repo-Commit", REVISION)
            self.send_header("Content-Length", "10")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


Reach = Callable[[str], None]


@pytest.fixture
def hub_at(monkeypatch: pytest.MonkeyPatch) -> Reach:
    """Puts the hub at an address."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    place = "/{repo_id}/resolve/{revision}/{filename}"
    return lambda address: monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + place)


@pytest.mark.parametrize(("status", "said"), [(200, None), (404, "answered 404"), (503, "answered 503")])
def test_the_answer_decides(status: int, said: str | None, hub_at: Reach) -> None:
    with hub_answering(status) as address:
        hub_at(address)
        why = missing_from_hub(NAME, REVISION)
    assert why is None if said is None else said in str(why)


def test_a_hub_that_is_silent_or_away_is_told_apart_within_the_bound(hub_at: Reach) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        hub_at(address)
        assert missing_from_hub(NAME, REVISION, seconds=0.05) == "The Hugging Face hub did not answer within 0.05 s"
    assert missing_from_hub(NAME, REVISION) == "The Hugging Face hub cannot be reached"
