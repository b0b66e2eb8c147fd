"""A server process that speaks the chat-completions protocol, with a causal LM behind it, and faults where they are asked for.

    python -m benchmarks.synthesis.chat_server FOLDER [--faults '{"busy": 9, "of": 10}'] [--log FILE]

It prints its URL when it listens. Faults go by the number of the request, counted from 0, so that they come each time alike:
the numbers `n % of` below `busy`, then `dropped`, `garbage`, `half`, `empty`, `odd`, `error` get each of these; `slow_seconds`
hold every answer. The log has a line a request that was answered whole: its user message's digest.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

from mixval.config.generators import SamplingConfig, TransformersGeneratorConfig
from mixval.synthesis.local import LocalModel
from mixval.synthesis.requests import Answer, Request

KINDS = ("busy", "dropped", "garbage", "half", "empty", "odd", "error")


class ChatServer(ThreadingHTTPServer):
    """Listens on a free port of this machine."""

    daemon_threads = True

    def __init__(self, model: LocalModel, faults: dict[str, float], log: Path | None, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.model, self.faults, self.log = model, faults, log
        self.numbers, self.lock = count(), threading.Lock()

    def fault(self) -> str | None:
        """What becomes of the next request; None: it is answered."""
        place = next(self.numbers) % int(self.faults.get("of", 1))
        for kind in KINDS:
            if (n := int(self.faults.get(kind, 0))) > place:
                return kind
            place -= n
        return None

    def completion(self, given: dict[str, Any]) -> dict[str, Any]:
        """The model's answer as a completion."""
        messages = {one["role"]: one["content"] for one in given["messages"]}
        request = Request("", messages.get("system", ""), messages["user"], int(given.get("seed", 0)))
        sampling = SamplingConfig(
            temperature=given.get("temperature", 1.0), top_p=given.get("top_p", 1.0), max_tokens=given["max_tokens"]
        )
        with self.lock:
            [answer] = self.model.answers([request], sampling)
        if not isinstance(answer, Answer):
            return {"error": answer.reason}
        choice = {"index": 0, "finish_reason": answer.finish_reason, "message": {"role": "assistant", "content": answer.text}}
        n_in, n_out = answer.prompt_tokens or 0, answer.completion_tokens or 0
        usage = {"prompt_tokens": n_in, "completion_tokens": n_out, "total_tokens": n_in + n_out}
        head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": given["model"]}
        return {**head, "choices": [choice], "usage": usage}


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: ChatServer

    def do_POST(self) -> None:
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        fault = self.server.fault()
        if slow := self.server.faults.get("slow_seconds"):
            time.sleep(slow)
        if fault == "dropped":
            self.close_connection = True
        elif fault == "busy":
            self._send(429, b'{"error": {"message": "slow down"}}', {"Retry-After": "0.001"})
        elif fault == "error":
            self._send(500, b'{"error": {"message": "out of memory"}}')
        elif fault == "garbage":
            self._send(200, b"<html>no JSON</html>")
        elif fault == "empty":
            self._send(200, b'{"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": []}')
        elif fault == "odd":
            self._send(200, b'{"choices": [{"message": {"content": 7}, "finish_reason": null}]}')
        else:
            self._answer(given, is_half=fault == "half")

    def _answer(self, given: dict[str, Any], is_half: bool) -> None:
        completion = self.server.completion(given)
        body = json.dumps(completion).encode()
        if "error" in completion:
            self._send(400, body)
        elif is_half:
            self._send(200, body, {"Content-Length": str(len(body))}, sent=len(body) // 2)
            self.close_connection = True
        else:
            self._send(200, body)
            if self.server.log is not None:
                line = hashlib.sha256(given["messages"][-1]["content"].encode()).hexdigest() + "\n"
                with self.server.lock, self.server.log.open("a") as file:
                    file.write(line)

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None, sent: int | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[:sent])

    def log_message(self, *_: Any) -> None:
        """Nothing on standard error."""


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--faults", type=json.loads, default={})
    parser.add_argument("--log", type=Path)
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args(arguments)
    model = LocalModel(TransformersGeneratorConfig(kind="transformers", model=given.folder), "cpu")
    server = ChatServer(model, given.faults, given.log, given.port)
    print(f"http://127.0.0.1:{server.server_address[1]}/v1", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
