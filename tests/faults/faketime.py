#!/usr/bin/env python3
"""A day in seconds: real programs under libfaketime, whose clock is set now and then, also to 1970, 2038, 2106 and a leap day.

    tests/faults/faketime.py [--steps 48] [--lives 1] [--seed-fault]

nginx with the module and the broker as a service run; an agent signs by the same clock, sometimes with the program `imagxp`, and a
thief shows again everything that has passed. What must hold: nothing passes twice, at neither of them; nobody crashes, panics or
hangs; the program refuses a time that no claim can name, in a sentence; and when the clock is right again, honest agents are served.
With `--seed-fault` nginx forgets its nonces with each step, as a module without a shared zone would: the thief must get through.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import check
import httpx
from imagxp import Identity, user_agent
from server import AgentDomain, Town, Victim

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bindings" / "nginx" / "tests"))

from instance import MODULE, Nginx, request
from world import ORIGIN, World

LIBRARIES = "/usr/lib/*/faketime/libfaketime.so.1"
DAY = 86_400
STEPS = [1, 5, 60, 299, 365, 3600, DAY]
ODD = ["1970-01-01T00:00:10", "2038-01-19T03:14:06", "2106-02-07T06:28:14", "2028-02-29T23:59:58", "2100-12-31T23:59:58"]


class Clock:
    """What the programs take for the time: how far it is off is in a file that libfaketime reads again each time."""

    def __init__(self, library: str, file: Path) -> None:
        self.off = 0
        self._file = file
        self.environment = {
            "LD_PRELOAD": library,
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DISABLE_SHM": "1",
            "ASAN_OPTIONS": "verify_asan_link_order=0",
        }
        self.set(0)

    def set(self, off: int) -> None:
        """Moves it; in place, so that nobody reads half a number."""
        self.off = off
        aside = self._file.with_suffix(".new")
        aside.write_text(f"{off:+d}\n")
        aside.replace(self._file)

    def now(self) -> float:
        """The time of the programs, in seconds since 1970."""
        return time.time() + self.off


class Campaign:
    """What has passed, and whether anything passes that must not."""

    def __init__(self, clock: Clock, moments: random.Random) -> None:
        self.clock, self.moments = clock, moments
        self.found: list[str] = []
        self.answers: Counter[str] = Counter()
        # When it was signed, where it was sent, and what.
        self.passed: list[tuple[float, str, list[tuple[str, str]]]] = []

    def moment(self) -> datetime | None:
        """The time of the clock, when an agent can write it."""
        now = self.clock.now()
        return datetime.fromtimestamp(now, UTC) if 946_684_800 <= now < 4_133_980_800 else None

    def judge(self, where: str, headers: list[tuple[str, str]], status: int, fresh: bool, code: str = "") -> None:
        """Notes an answer."""
        self.answers[f"{where} {'fresh' if fresh else 'again'} {code or status}"] += 1
        # Who has no account with the broker yet is told so after the signature was found good.
        passed = status == 200 or code == "account.not_found"
        if passed and fresh:
            self.passed.append((self.clock.now(), where, headers))
        elif passed:
            self.found.append(f"{where} let a request pass again, {self.clock.off} s off")
        elif status >= 500 and status != 503:
            self.found.append(f"{where} answers {status}, {self.clock.off} s off")

    def near(self, most: int) -> list[tuple[str, list[tuple[str, str]]]]:
        """What the clock could believe now, and some of the rest."""
        now = self.clock.now()
        near = [(where, headers) for at, where, headers in self.passed if abs(at - now) < 400]
        rest = [(where, headers) for _, where, headers in self.passed]
        return near[-most:] + self.moments.sample(rest, min(3, len(rest)))


def program_signs(program: str, clock: Clock, key: Path, agent: str, found: list[str]) -> list[tuple[str, str]] | None:
    """The program's own signature, by its own clock; none where no claim can name the time."""
    command = [program, "sign", "--key", str(key), "--agent-id", agent, "--purpose", "RAG_RETRIEVAL", "--url", f"{ORIGIN}/page"]
    environment = ["/usr/bin/env", *(f"{name}={value}" for name, value in clock.environment.items())]
    done = subprocess.run([*environment, *command], capture_output=True, text=True, check=False, timeout=30)
    if done.returncode == 0:
        return [tuple(line.split(": ", 1)) for line in done.stdout.splitlines() if ": " in line]
    if done.returncode > 3 or done.returncode < 0 or "panicked" in done.stderr or not done.stderr.strip():
        found.append(f"`imagxp sign` ends with {done.returncode}, {clock.off} s off: {done.stderr[:300]}")
    return None


def steps(moments: random.Random, count: int) -> list[int]:
    """Where the clock is, in seconds from now, while a day goes by: right, at an odd time, or off by one step more."""
    places, error = [], 0
    for number in range(count):
        truth = number * DAY // count
        if number % 4 == 3:
            error = 0
        elif number % 4 == 2:
            odd = datetime.fromisoformat(ODD[number // 4 % len(ODD)]).replace(tzinfo=UTC).timestamp()
            error = int(odd - time.time()) - truth
        else:
            error += moments.choice(STEPS) * moments.choice([1, -1])
        places.append(truth + error)
    return [*places, DAY]


def live(arguments: argparse.Namespace, seed: int, library: str, found: list[str]) -> tuple[Campaign, int]:
    """One day. What came of it, and how much had passed by its end."""
    moments = random.Random(seed)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)
        clock = Clock(library, folder / "clock")
        world = World(folder / "world")
        key = folder / "agent.pem"
        world.agent.save(key)
        town = stack.enter_context(Town())
        http = stack.enter_context(httpx.Client(trust_env=False, timeout=30))
        broker = Victim("sqlite", folder, http)
        broker.environment = clock.environment
        stack.enter_context(broker)
        # nginx takes away from its workers what it is not told to leave.
        kept = "".join(f"env {name};\n" for name in clock.environment)
        nginx = Nginx(folder / "nginx", world.http(), environment=clock.environment, module=MODULE, top=kept)
        stack.enter_context(nginx)
        campaign = Campaign(clock, moments)

        def page(headers: list[tuple[str, str]], fresh: bool) -> None:
            answer = request(nginx.port, "/page", headers)
            campaign.judge("nginx", headers, answer.status, fresh, "" if answer.status == 200 else answer.code)

        def account(headers: list[tuple[str, str]], fresh: bool) -> None:
            answer = http.get(dict(headers)["x-test-url"], headers=headers)
            code = answer.json()["error"]["code"] if answer.is_error else ""
            campaign.judge("broker", headers, answer.status_code, fresh, code)

        def visit(party: Identity, by_program: bool) -> None:
            if by_program and (signed := program_signs(broker.program, clock, key, world.agent.agent_id, found)):
                page([("User-Agent", "test IMAGXP/1.0"), *signed], True)
            if (now := campaign.moment()) is None:
                return
            page(world.sign(now=now, nonce=str(uuid4())), True)
            url = f"{broker.issuer}/v1/accounts/{party.agent_id}"
            signed = party.sign("GET", url, "SUMMARY", now=now, nonce=str(uuid4()))
            account([*signed, ("user-agent", user_agent("test")), ("x-test-url", url)], True)

        for number, off in enumerate(steps(moments, arguments.steps)):
            clock.set(off)
            # nginx looks at the clock when an event wakes it.
            request(nginx.port, "/robots.txt")
            # A domain is asked for its manifest twice in a minute, and a virtual day takes less.
            party = AgentDomain(town).identity
            for turn in range(3):
                visit(party, by_program=turn == 0)
            if arguments.seed_fault:
                # A zone of another name is an empty one.
                nginx.reload(world.http().replace("imagxp_zone test", f"imagxp_zone test{number}"))
            for where, headers in campaign.near(12):
                (page if where == "nginx" else account)(headers, False)
        served = len(campaign.passed)
        # Two days on, past everything that was forgotten.
        clock.set(3 * DAY)
        request(nginx.port, "/robots.txt")
        party = AgentDomain(town).identity
        for _ in range(3):
            visit(party, by_program=True)
        late = {where for _, where, _ in campaign.passed[served:]}
        if not arguments.seed_fault and late != {"nginx", "broker"}:
            found.append(f"two days later only {sorted(late)} serve: {dict(campaign.answers)}")
        clock.set(0)
        found += campaign.found + nginx.crashed() + broker.panics()
    return campaign, served


def main() -> int:
    """Exit code 0 when nothing passed twice; with `--seed-fault`, when the harness has seen that something did."""
    parser = check.parser(__doc__)
    parser.add_argument("--steps", type=int, default=48)
    parser.add_argument("--lives", type=int, default=1, help="each with programs that have just been started")
    arguments = parser.parse_args()
    libraries = sorted(str(path) for path in Path("/").glob(LIBRARIES.lstrip("/")))
    if not libraries:
        return check.missing(arguments, "libfaketime is not installed (Debian: faketime)")
    found: list[str] = []
    answers: Counter[str] = Counter()
    passed = 0
    for number in range(arguments.lives):
        campaign, served = live(arguments, arguments.seed + number, libraries[0], found)
        answers += campaign.answers
        passed += served
    if not arguments.seed_fault:
        kinds = {kind.rsplit(" ", 1)[0] for kind in answers}
        if passed < 20 * arguments.lives or not {"nginx fresh", "nginx again", "broker fresh", "broker again"} <= kinds:
            found.append(f"too little happened: {dict(answers)}")
    replays = sum(count for kind, count in answers.items() if " again " in kind)
    figures = {"days": arguments.lives, "steps": arguments.steps * arguments.lives, "passed": passed, "replays": replays}
    return check.conclude(
        arguments, found, {**figures, "answers": dict(sorted(answers.items()))}, "^nginx let a request pass again"
    )


if __name__ == "__main__":
    sys.exit(main())
