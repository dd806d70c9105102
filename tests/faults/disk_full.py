#!/usr/bin/env python3
"""Fills the disk of the broker while clients that retry book and pay, and gives the space back.

    tests/faults/disk_full.py [--rounds 10] [--clients 8] [--store sqlite|postgres] [--seed-fault]

The ledger is on a small tmpfs (needs root). While it is full, writes are refused with 503 `store.busy` or 504 `store.unknown` and with
nothing else; reads go on, and what the alerts look at is counted; with SQLite the process is killed there, and one that starts on the full
disk answers reads or says why it does not start. PostgreSQL ends by itself when it cannot write its log, and is started again by the
harness; the broker lives on. With space everybody goes on, and everything that was acknowledged is there, once: also when somebody sends
what was paid before once more. `--seed-fault`: the space never comes back.
"""

from __future__ import annotations

import os
import pwd
import re
import subprocess
import sys
import time
from pathlib import Path

import check
import httpx
from client import Crowd
from server import AgentDomain, Victim, found, free_port, stage

# Far more than the log that SQLite keeps before it writes pages back (8 MiB), so that it is the ballast that fills it.
SMALL_MIB = {"sqlite": 48, "postgres": 96}
GOES_ON_S = 30.0
ALERTS = Path(__file__).resolve().parents[2] / "packaging" / "monitoring" / "alerts.yml"
# Those that must tell of a full disk, and of which answers.
TELL = {"BrokerStoreBusy": ("store.busy", "store.unknown"), "BrokerUnavailable": ("503", "504")}
STAND_STILL = "with space, the clients do not go on"
MAY_ANSWER = {
    "200",
    "201",
    "429",
    "503",
    "504",
    "store.busy",
    "store.unknown",
    "server.busy",
    "server.timeout",
    "replay.store_error",
}


class Small(Victim):
    """A broker whose database is on a disk of its own."""

    # Small pieces of log, so that the next one is soon needed.
    initdb = ("--wal-segsize=1",)

    def start(self) -> None:
        """The disk first."""
        self.disk = self.data if self.store == "sqlite" else self.folder / "postgres"
        self.disk.mkdir(mode=0o700)
        size = f"size={SMALL_MIB[self.store]}m,mode=0700"
        subprocess.run(["mount", "-t", "tmpfs", "-o", size, "imagxp-faults", self.disk], check=True)
        self.ballast = self.disk / "ballast"
        super().start()

    def stop(self) -> None:
        """The disk last."""
        super().stop()
        subprocess.run(["umount", "-l", self.disk], check=False, capture_output=True)

    def run(self, command: list[str], *, stdout: int | None = None, user: str | None = None) -> subprocess.Popen[str]:
        """As ever, with metrics at a place that is known."""
        if command[0] == self.program:
            self.admin = f"127.0.0.1:{free_port()}"
            command = [self.admin if word == "127.0.0.1:0" else word for word in command]
        return super().run(command, stdout=stdout, user=user)

    def counted(self, alert: str) -> float:
        """What the series come to that an alert looks at first."""
        rule = ALERTS.read_text().partition(f"- alert: {alert}\n")[2]
        series = re.search(r'(imagxp_\w+)\{(\w+)=~?"([^"]+)"', rule)
        if not series:
            raise RuntimeError(f"{ALERTS} has no {alert}")
        name, label, values = series.groups()
        shown = self.client.get(f"http://{self.admin}/metrics").text
        counts = re.findall(rf'^{name}\{{.*?\b{label}="(?:{values})".*?\}} (\S+)$', shown, re.MULTILINE)
        return sum(map(float, counts))

    def fill(self) -> None:
        """To the last byte, but for what is freed meanwhile."""
        with self.ballast.open("ab", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 512):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    continue
        if self.store == "postgres":
            # The next piece of its log: for want of it PostgreSQL ends.
            command = [found("psql"), "-q", "-h", str(self.disk), "-U", "postgres", "-c"]
            for query in ("CHECKPOINT", *["SELECT pg_switch_wal(), pg_logical_emit_message(true, '', repeat('x', 9999))"] * 20):
                if self._postgres_process.poll() is None:
                    subprocess.run([*command, query], check=False, capture_output=True, timeout=30)

    def crashes(self) -> int:
        """How often PostgreSQL has begun anew by itself."""
        logs = [path.read_text(errors="replace") for path in self.folder.glob("postgres-*.log")]
        return sum(text.count("PANIC:") for text in logs)

    def revive(self) -> bool:
        """Starts PostgreSQL again when it has ended; whether it had."""
        if self.store != "postgres" or self._postgres_process.poll() is None:
            return False
        (self.disk / "data" / "postmaster.pid").unlink(missing_ok=True)
        command = [found("postgres"), "-D", str(self.disk / "data"), *self._postgres_settings]
        with (self.folder / "postgres-again.log").open("a") as log:
            user = "postgres" if os.geteuid() == 0 else None
            self._postgres_process = subprocess.Popen(command, stderr=log, stdout=log, user=user, cwd=self.folder)
        return True

    def _postgres(self) -> str:
        """As ever; and who it is."""
        account = pwd.getpwnam("postgres")
        os.chown(self.disk, account.pw_uid, account.pw_gid)
        url = super()._postgres()
        self._postgres_process = self._running[0]
        self._postgres_settings = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={self.disk}"]
        return url


class Trial:
    """Full, and not full, again and again."""

    def __init__(self, broker: Small, crowd: Crowd, comes_back: bool) -> None:
        self.broker, self.crowd, self.comes_back = broker, crowd, comes_back
        self.found: list[str] = []
        self.ended = self.reads = self.full = 0

    def round(self, number: int) -> None:
        """One time."""
        self.crowd.work(20)
        heard = self.crowd.heard()
        counted = {alert: self.broker.counted(alert) for alert in TELL}
        self.broker.fill()
        before = self.crowd.answers
        refused = self._until(lambda: self._refused(before), 10)
        self.full += refused
        if not refused:
            self.found.append(f"{number}: the disk is full, and nobody was refused")
        since = self.crowd.answers - before
        for alert, answers in TELL.items():
            if any(since[answer] for answer in answers) and self.broker.counted(alert) <= counted[alert]:
                self.found.append(f"{number}: the disk is full, and {alert} sees nothing")
        self._read(number)
        if self.broker.store == "sqlite" and number % 2:
            self._restart(number)
        if self.comes_back:
            self.broker.ballast.unlink(missing_ok=True)
        self._until(self._space_is_used, GOES_ON_S)
        payments = [client.payments for client in self.crowd.clients]
        goes_on = GOES_ON_S if self.comes_back else 3
        went = self._until(lambda: all(c.payments > p for c, p in zip(self.crowd.clients, payments, strict=True)), goes_on)
        if not went:
            self.found.append(f"{number}: {STAND_STILL}: {dict(self.crowd.answers)}")
        self.found += self.crowd.made_again(heard)

    def _refused(self, before: object) -> bool:
        since = self.crowd.answers - before  # type: ignore[operator]
        return bool(since["503"] or since["504"])

    def _read(self, number: int) -> None:
        """Reads go on, where there is somebody to read from."""
        if self.broker.store == "postgres":
            return
        try:
            self.broker.operate("GET", "/v1/accounts")
            self.reads += 1
        except (RuntimeError, httpx.HTTPError) as error:
            self.found.append(f"{number}: a read on the full disk: {error}")

    def _restart(self, number: int) -> None:
        self.broker.kill()
        try:
            self.broker.restart()
            self._read(number)
        except RuntimeError as error:
            said = str(error)
            # Who says what is missing may refuse to start.
            if "No space left" not in said and "storage." not in said:
                self.found.append(f"{number}: no start on the full disk: {said}")
            if self.comes_back:
                self.broker.ballast.unlink(missing_ok=True)
                self.broker.restart()

    def _space_is_used(self) -> bool:
        if self.comes_back:
            self.ended += self.broker.revive()
            time.sleep(0.2)
        return self.broker.store == "sqlite" or self.broker._postgres_process.poll() is None

    def _until(self, holds: object, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not holds():  # type: ignore[operator]
            if time.monotonic() > deadline or any(client.fault for client in self.crowd.clients):
                return False
            if self.broker.store == "postgres" and self.comes_back and not self.broker.ballast.exists():
                self.ended += self.broker.revive()
            time.sleep(0.01)
        return True


def main() -> int:
    """Exit code 0 when nothing was lost or doubled and everybody went on; with `--seed-fault`, when it was seen that nobody does."""
    parser = check.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--store", choices=["sqlite", "postgres"], default="sqlite")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        return check.skipped(arguments, "a small disk needs root")
    with stage(arguments.store, kind=Small, timeout=15) as (_, town, broker):
        crowd = Crowd(broker, [AgentDomain(town).identity for _ in range(arguments.clients)])
        crowd.start()
        trial = Trial(broker, crowd, not arguments.seed_fault)
        for number in range(arguments.rounds):
            trial.round(number)
            if trial.found:
                break
        if arguments.seed_fault:
            for client in crowd.clients:
                client.patience = 0
        crowd.end()
        if not arguments.seed_fault:
            trial.found += crowd.wrong() + broker.audit() + broker.panics()
            strange = sorted(set(crowd.answers) - MAY_ANSWER)
            trial.found += [f"clients were answered {answer}" for answer in strange]
        figures = {
            "store": arguments.store,
            "times_full": trial.full,
            "reads_while_full": trial.reads,
            "database_ended": trial.ended + broker.crashes(),
            "acknowledged": crowd.acknowledged,
            "retries": crowd.retries,
            "answers": dict(crowd.answers),
        }
    return check.conclude(arguments, trial.found, figures, STAND_STILL)


if __name__ == "__main__":
    sys.exit(main())
