"""Which test reaches which mutant, and whether one of them fails. Used by scripts/mutants.py."""

import os
import resource
import signal
import subprocess
import time
from collections import defaultdict

from mutants_woven import ENVIRONMENT, OUT

# Seconds: a test that takes longer is not asked.
LONGEST = 20
# What a mutant in a loop may take before it is stopped.
MEMORY = 4 << 30
# Tests run in one process: the quickest first, then more.
FIRST = 8
SKIPPED = ("hot::", "isbot")


def limited():
    """A mutant that never ends and takes memory meanwhile ends here."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def run(program, folder, tests, seconds, more):
    """Whether the tests pass: `passed`, `failed` or `timeout`."""
    process = subprocess.Popen(
        [program, "--exact", "--quiet", *tests],
        cwd=folder,
        env={**ENVIRONMENT, **more},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=limited,
        start_new_session=True,
    )
    try:
        return "failed" if process.wait(seconds) else "passed"
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return "timeout"


class Tests:
    """Each test with its time, and the mutants that it reaches."""

    def __init__(self, programs):
        """Runs each test once, alone, with no mutant."""
        self.reaching = defaultdict(list)
        self.count = 0
        note = OUT / "reached"
        for program, folder in programs:
            told = subprocess.run(
                [program, "--list", "--format", "terse"], cwd=folder, capture_output=True, text=True, check=True
            )
            names = [line.removesuffix(": test") for line in told.stdout.splitlines() if line.endswith(": test")]
            for name in names:
                if name.startswith(SKIPPED) or any(word in name for word in SKIPPED):
                    continue
                note.unlink(missing_ok=True)
                begin = time.monotonic()
                outcome = run(program, folder, [name], 60 + LONGEST, {"IMAGXP_MUTANTS_REACHED": str(note)})
                took = time.monotonic() - begin
                if outcome == "failed":
                    raise SystemExit(f"error: {name} fails without any mutant ({program})")
                if took > LONGEST:
                    print(f"mutants: {name} takes {took:.0f} s and is not asked", flush=True)
                    continue
                self.count += 1
                for line in note.read_text().splitlines() if note.exists() else []:
                    self.reaching[int(line)].append((took, program, folder, name))
        for tests in self.reaching.values():
            tests.sort(key=lambda test: test[0])

    def outcome(self, number):
        """`caught`, `timeout` or `missed`."""
        tests, size = self.reaching.get(number, []), FIRST
        while tests:
            chunk, tests, size = tests[:size], tests[size:], size * 2
            by_program = defaultdict(list)
            for took, program, folder, name in chunk:
                by_program[program, folder].append((took, name))
            for (program, folder), chosen in by_program.items():
                seconds = 10 + 8 * sum(took for took, _ in chosen)
                outcome = run(program, folder, [name for _, name in chosen], seconds, {"IMAGXP_MUTANT": str(number)})
                if outcome != "passed":
                    return "caught" if outcome == "failed" else "timeout"
        return "missed"
