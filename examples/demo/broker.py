"""The broker: `imagxp serve --dev` as a process of its own, with its ledger in SQLite, and what its operator and its parties ask of it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx
from imagxp import Identity, content_digest, user_agent

STARTS_WITHIN_S = 20


class Broker:
    """Starts the broker, and stops it at the end of the `with` block."""

    def __init__(self, program: str, folder: Path, client: httpx.Client) -> None:
        self.program = program
        self.folder = folder
        self.client = client
        self.issuer = f"http://127.0.0.1:{free_port()}"
        self.token = ""
        self._running: list[subprocess.Popen[str]] = []

    @property
    def jwks_url(self) -> str:
        """Where its keys are."""
        return f"{self.issuer}/.well-known/jwks.json"

    @property
    def dashboard(self) -> str:
        """Where an operator looks."""
        return f"{self.issuer}/imagxp/dashboard"

    def __enter__(self) -> Self:
        """Starts what it is made of, and waits until it answers."""
        try:
            self.start()
            self.jwks = self.wait_for(self.jwks_url)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """One process, with its ledger in SQLite."""
        self.serve(int(self.issuer.rpartition(":")[2]))

    def serve(self, port: int, *settings: str) -> None:
        """Starts one process of the broker, and keeps the operator's token, which the first one shows."""
        command = [self.program, "serve", "--dev", "--data", str(self.folder / "broker"), "--issuer", self.issuer]
        command += ["--listen", f"127.0.0.1:{port}", "--admin-listen", "127.0.0.1:0"]
        for setting in ("money.assets=EUR:6", *settings):
            command += ["--set", setting]
        process = self.run(command, stdout=subprocess.PIPE)
        for line in process.stdout or ():
            if found := re.search(r"imagxp_op_\S+", line):
                self.token = found.group()
            if line.strip() == "Next:":
                break
        self.wait_for(f"http://127.0.0.1:{port}/.well-known/jwks.json")

    def run(self, command: list[str], *, stdout: int | None = None, user: str | None = None) -> subprocess.Popen[str]:
        """Starts a program that ends with this broker; what it says is kept in the folder."""
        with (self.folder / f"{Path(command[0]).name}-{len(self._running)}.log").open("w") as log:
            # The programs are ours, or installed by the set-up.
            process = subprocess.Popen(  # noqa: S603
                command, stdout=log if stdout is None else stdout, stderr=log, text=True, user=user, cwd=self.folder
            )
        self._running.append(process)
        return process

    def wait_for(self, url: str) -> bytes:
        """What is there, once it is there."""
        deadline = time.monotonic() + STARTS_WITHIN_S
        while True:
            try:
                return self.client.get(url).raise_for_status().content
            except httpx.HTTPError:
                if time.monotonic() > deadline or self._running[-1].poll() is not None:
                    said = "".join(path.read_text()[-2000:] for path in sorted(self.folder.glob("*.log")))
                    raise RuntimeError(f"the broker does not start: {said}") from None
                time.sleep(0.02)

    def stop(self) -> None:
        """Ends everything, the last first."""
        for process in reversed(self._running):
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout:
                process.stdout.close()

    def operate(self, method: str, path: str, body: Any = None) -> Any:
        """A call of the operator, with the token that was shown at the start."""
        headers = {"authorization": f"Bearer {self.token}", "idempotency-key": str(uuid4())}
        return answer(self.client.request(method, self.issuer + path, headers=headers, json=body))

    def ask(self, identity: Identity, method: str, path: str, body: bytes | None = None) -> Any:
        """A call of an agent or a publisher, signed as every request is, over its body too."""
        digest = content_digest(body) if body is not None else None
        headers = identity.sign(method, self.issuer + path, "SUMMARY", content_digest=digest)
        headers += [("user-agent", user_agent("demo")), ("content-type", "application/json"), ("idempotency-key", str(uuid4()))]
        return answer(self.client.request(method, self.issuer + path, headers=headers, content=body))

    def deposit(self, owner: str, amount: str) -> None:
        """What a bank would say: money has come in for somebody."""
        body = {"owner": owner, "amount": amount, "asset": "EUR", "reference": f"transfer-for-{owner}"}
        self.operate("POST", "/v1/deposits", body)

    def sold(self) -> list[Any]:
        """Every visa that was ever issued."""
        return self.operate("GET", "/v1/visas?limit=100")["visas"]


def answer(response: httpx.Response) -> Any:
    """What came back, or an error that says what the broker said."""
    if response.is_error:
        raise RuntimeError(f"{response.request.method} {response.request.url.path}: {response.status_code} {response.text}")
    return json.loads(response.content)


def find_program() -> str:
    """The program `imagxp`, which the broker is: named by IMAGXP_CLI, in this repository's build, or installed."""
    built = Path(__file__).parents[2] / "target" / "debug" / "imagxp"
    program = os.environ.get("IMAGXP_CLI") or (str(built) if built.exists() else shutil.which("imagxp"))
    if program is None:
        raise RuntimeError("the broker is the program imagxp: name it in IMAGXP_CLI, or run `make demo`")
    return program


def free_port() -> int:
    """A port that nobody has at the moment, below those that systems hand out by themselves: nobody comes to have it by chance."""
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
