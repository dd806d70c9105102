"""Which test reaches which mutant, and whether one of them fails. Used by scripts/mutants.py."""

import math
import os
import resource
import signal
import subprocess
import time
from collections import defaultdict

from mutants_woven import ENVIRONMENT, OUT

# Seconds: a test that takes longer is not asked.
LONGEST = 20
# What tests may take, by what they took without a mutant: seconds of the processor, which a busy machine gives all the same, and seconds
# of the clock, for what only waits. The first has to end whoever computes, so the second is far beyond it.
PROCESSOR = (10, 8)
CLOCK = (120, 20)
# What a mutant in a loop may take before it is stopped.
MEMORY = 4 << 30
# Tests run in one process: the quickest first, then more.
FIRST = 8
SKIPPED = ("hot::", "isbot")


def allowed(limit, took):
    """The seconds that tests may take that took so many without a mutant."""
    least, times = limit
    return math.ceil(least + times * took)


def spent():
    """The seconds of the processor that all processes took that have been waited for."""
    taken = resource.getrusage(resource.RUSAGE_CHILDREN)
    return taken.ru_utime + taken.ru_stime


def run(program, folder, tests, clock, processor, more):
    """Whether the tests pass: `passed`, `failed`, `endless` where they computed for longer than they may, `stuck` where they waited."""

    def limited():
        # A mutant that never ends and takes memory meanwhile ends here.
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if processor:
            resource.setrlimit(resource.RLIMIT_CPU, (processor, processor + 5))

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
        status = process.wait(clock)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return "stuck"
    if status == -signal.SIGXCPU:
        return "endless"
    return "failed" if status else "passed"


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
                begin, before = time.monotonic(), spent()
                outcome = run(program, folder, [name], 60 + LONGEST, None, {"IMAGXP_MUTANTS_REACHED": str(note)})
                took, processor = time.monotonic() - begin, spent() - before
                if outcome == "failed":
                    raise SystemExit(f"error: {name} fails without any mutant ({program})")
                if took > LONGEST:
                    print(f"mutants: {name} takes {took:.0f} s and is not asked", flush=True)
                    continue
                self.count += 1
                for line in note.read_text().splitlines() if note.exists() else []:
                    self.reaching[int(line)].append((took, processor, program, folder, name))
        for tests in self.reaching.values():
            tests.sort(key=lambda test: test[0])

    def outcome(self, number):
        """`caught`, `missed`; `endless` or `stuck` where no test failed, and one did not end."""
        tests, size = self.reaching.get(number, []), FIRST
        more = {"IMAGXP_MUTANT": str(number)}
        while tests:
            chunk, tests, size = tests[:size], tests[size:], size * 2
            by_program = defaultdict(list)
            for took, processor, program, folder, name in chunk:
                by_program[program, folder].append((took, processor, name))
            for (program, folder), chosen in by_program.items():
                outcome = tried(program, folder, chosen, more)
                if outcome == "stuck":
                    # Once more, each alone: what hung may have been the machine.
                    again = (tried(program, folder, [each], more) for each in chosen)
                    outcome = next((each for each in again if each != "passed"), "passed")
                if outcome != "passed":
                    return "caught" if outcome == "failed" else outcome
        return "missed"


def tried(program, folder, chosen, more):
    """Whether these tests pass, by the limits of what they took."""
    took, processor = (sum(each[index] for each in chosen) for index in (0, 1))
    names = [name for _, _, name in chosen]
    return run(program, folder, names, allowed(CLOCK, took), allowed(PROCESSOR, processor), more)
