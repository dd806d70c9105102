"""The broker as a process that can be killed, started again, and given a disk that fails."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples" / "demo"))

import httpx
from broker import STARTS_WITHIN_S, Broker, find_program, free_port
from scale import ScaledBroker, found
from town import AgentDomain, Town

ASSET = "EUR"


class Victim(ScaledBroker):
    """One process of the broker, or several on one PostgreSQL, with what they have kept."""

    def __init__(self, store: str, folder: Path, client: httpx.Client, *settings: str) -> None:
        super().__init__(find_program(), folder, client)
        # Seconds that each restart took.
        self.restarts: list[float] = []
        self.store = store
        self.data = folder / "broker"
        # Of the next process.
        self.environment: dict[str, str] = {}
        # Many clients are few parties here.
        self.settings = ["limits.tenant_per_s=100000", *settings]

    def start(self) -> None:
        """The database, when it is one of its own, and the process."""
        if self.store == "postgres":
            self.settings.append(f"database.url={self._postgres()}")
        self.launch()

    def launch(self, port: int | None = None) -> None:
        """A process on what is there. Error: `RuntimeError` when it does not start."""
        self.serve(port or self.port, *self.settings)

    def run(self, command: list[str], *, stdout: int | None = None, user: str | None = None) -> subprocess.Popen[str]:
        """As ever, with an environment of the broker's own."""
        if command[0] == self.program and self.environment:
            command = ["/usr/bin/env", *(f"{name}={value}" for name, value in self.environment.items()), *command]
        return super().run(command, stdout=stdout, user=user)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.issuer.rpartition(":")[2])

    @property
    def process(self) -> subprocess.Popen[str]:
        """The one that was started last."""
        return self._running[-1]

    def kill(self) -> None:
        """At any moment, the process that was started last."""
        process = self._running.pop()
        process.send_signal(signal.SIGKILL)
        process.wait()
        if process.stdout:
            process.stdout.close()

    def restart(self) -> None:
        """Once more, on what is there; how long that takes is noted."""
        begun = time.monotonic()
        self.launch()
        self.restarts.append(time.monotonic() - begun)

    @property
    def slowest(self) -> float:
        """Seconds that the slowest restart took."""
        return max(self.restarts, default=0.0)

    def look(self, path: str) -> Any:
        """What an operator reads, also from a machine that has much else to do."""
        deadline = time.monotonic() + 60
        while True:
            try:
                return self.operate("GET", path)
            except (RuntimeError, httpx.TransportError) as error:
                busy = isinstance(error, httpx.TransportError) or " 503 " in str(error)
                if not busy or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def panics(self) -> list[str]:
        """What the processes have said about faults of the program."""
        logs = [path.read_text(errors="replace") for path in self.folder.glob("*.log")]
        return [line for text in logs for line in text.splitlines() if "panicked at" in line or "a panic" in line]

    def audit(self) -> list[str]:
        """The program's own check of every row."""
        command = [self.program, "broker", "ledger", "audit", "--data", str(self.data), "--set", f"issuer={self.issuer}"]
        for setting in ("allow_loopback=true", f"money.assets={ASSET}:6", *self.settings):
            command += ["--set", setting]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        return [] if ran.returncode == 0 else [f"the audit: {ran.stdout}{ran.stderr}"]


@contextmanager
def stage(store: str, *settings: str, kind: type[Victim] = Victim, timeout: float = 10) -> Iterator[tuple[Path, Town, Any]]:
    """A folder, a town of agents and a broker, which end with the block."""
    with (
        tempfile.TemporaryDirectory() as name,
        Town() as town,
        httpx.Client(trust_env=False, timeout=timeout) as http,
        kind(store, Path(name), http, *settings) as broker,
    ):
        yield Path(name), town, broker


__all__ = ["ASSET", "STARTS_WITHIN_S", "AgentDomain", "Broker", "Town", "Victim", "found", "free_port", "stage"]
