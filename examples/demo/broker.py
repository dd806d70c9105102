"""The broker: `imagxp serve --dev` as a process of its own, with its ledger in SQLite, and what its operator and its parties ask of it."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from imagxp import Identity, content_digest, user_agent

STARTS_WITHIN_S = 20


class Broker:
    """Starts the broker, and stops it at the end of the `with` block."""

    def __init__(self, program: str, folder: Path, client: httpx.Client) -> None:
        self.program = program
        self._client = client
        self._log = folder / "broker.log"
        port, admin = (free_port() for _ in range(2))
        self.issuer = f"http://127.0.0.1:{port}"
        self.jwks_url = f"{self.issuer}/.well-known/jwks.json"
        self.dashboard = f"{self.issuer}/imagxp/dashboard"
        command = [program, "serve", "--dev", "--data", str(folder / "broker"), "--set", "money.assets=EUR:6"]
        command += ["--listen", f"127.0.0.1:{port}", "--admin-listen", f"127.0.0.1:{admin}"]
        with self._log.open("w") as log:
            # The program is ours.
            self._process = subprocess.Popen(  # noqa: S603
                command, stdout=subprocess.PIPE, stderr=log, text=True
            )
        self.token = ""

    def __enter__(self) -> Self:
        """Waits until it says who may operate it, and answers."""
        for line in self._process.stdout or ():
            if found := re.search(r"imagxp_op_\S+", line):
                self.token = found.group()
            if line.strip() == "Next:":
                break
        deadline = time.monotonic() + STARTS_WITHIN_S
        while True:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the broker does not start: {self._log.read_text()[-2000:]}")
            try:
                self.jwks = self._client.get(self.jwks_url).raise_for_status().content
                return self
            except httpx.HTTPError:
                time.sleep(0.02)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def operate(self, method: str, path: str, body: Any = None) -> Any:
        """A call of the operator, with the token that was shown at the start."""
        headers = {"authorization": f"Bearer {self.token}"}
        return answer(self._client.request(method, self.issuer + path, headers=headers, json=body))

    def ask(self, identity: Identity, method: str, path: str, body: bytes | None = None) -> Any:
        """A call of an agent or a publisher, signed as every request is, over its body too."""
        digest = content_digest(body) if body is not None else None
        headers = identity.sign(method, self.issuer + path, "SUMMARY", content_digest=digest)
        headers += [("user-agent", user_agent("demo")), ("content-type", "application/json")]
        return answer(self._client.request(method, self.issuer + path, headers=headers, content=body))

    def sold(self) -> list[Any]:
        """Every visa that was ever issued."""
        return self.operate("GET", "/v1/visas?limit=100")["visas"]


def answer(response: httpx.Response) -> Any:
    """What came back, or an error that says what the broker said."""
    if response.is_error:
        raise RuntimeError(f"{response.request.method} {response.request.url.path}: {response.status_code} {response.text}")
    return json.loads(response.content)


def free_port() -> int:
    """A port that nobody has at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
