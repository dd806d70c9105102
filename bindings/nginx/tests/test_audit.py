"""The audit log: a JSON line for each signed request, manifests before them, and no verdict without its record."""

import contextlib
import hashlib
import json
import os
import resource
import signal
import subprocess
import time
from pathlib import Path

import imagxp
import pytest
from instance import wait_for
from world import AGENT, BASE, BROWSER, World


def records(nginx):
    path = nginx.folder / "audit.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_each_signed_request_leaves_one_line(start, world):
    nginx = start(world.http(server="imagxp_audit_log {folder}/audit.jsonl;"), workers=2)
    for _ in range(20):
        assert nginx.get("/page", world.sign()).status == 200
    assert nginx.get("/page", world.sign(purpose="CRAWL_TRAINING")).status == 403
    assert nginx.get("/page", BROWSER).status == 200
    found = wait_for(
        lambda: (found := records(nginx)) and sum(one["type"] == "verdict" for one in found) == 21 and found, "the records"
    )
    verdicts = [one for one in found if one["type"] == "verdict"]
    manifests = [one for one in found if one["type"] == "manifest"]
    assert 1 <= len(manifests) <= 2
    assert found[0]["type"] == "manifest"
    assert {one["sha256"] for one in manifests} == {one["manifest"] for one in verdicts if "manifest" in one}
    assert [one["code"] for one in verdicts if one["outcome"] == "deny"] == ["policy.purpose_denied"]
    assert {one["agent_id"] for one in verdicts} == {AGENT}
    assert len({one["trace_id"] for one in verdicts}) == 21
    document = (world.folder / "manifest.json").read_bytes()
    assert manifests[0]["sha256"] == hashlib.sha256(document).hexdigest()


def test_a_signed_body_leaves_one_line(start, tmp_path):
    world = World(tmp_path / "post", {**BASE, "methods": ["POST"]})
    nginx = start(world.http(server="imagxp_audit_log {folder}/audit.jsonl;"))
    # The first is read, the second would go to disk; a static file takes no POST: whoever gets 405 has passed.
    for body, status in ((b"question", 405), (b"x" * 300_000, 400)):
        headers = world.sign(method="POST", content_digest=imagxp.content_digest(body))
        assert nginx.get("/page", headers, "POST", body).status == status
    nginx.process.send_signal(signal.SIGQUIT)
    nginx.process.wait(30)
    verdicts = [one for one in records(nginx) if one["type"] == "verdict"]
    assert [(one["outcome"], one.get("code"), "body_digest" in one) for one in verdicts] == [
        ("allow", None, True),
        ("deny", "claim.digest_mismatch", False),
    ]


def test_the_rest_is_written_when_a_worker_ends(start, world):
    nginx = start(world.http(server="imagxp_audit_log {folder}/audit.jsonl;"))
    for _ in range(5):
        assert nginx.get("/page", world.sign()).status == 200
    nginx.process.send_signal(signal.SIGQUIT)
    nginx.process.wait(30)
    assert sum(one["type"] == "verdict" for one in records(nginx)) == 5


def test_a_rotated_log_is_opened_again(start, world):
    nginx = start(world.http(server="imagxp_audit_log {folder}/audit.jsonl;"))
    assert nginx.get("/page", world.sign()).status == 200
    wait_for(lambda: len(records(nginx)) == 2, "the first records")
    (nginx.folder / "audit.jsonl").rename(nginx.folder / "audit.1")
    nginx.process.send_signal(signal.SIGUSR1)
    wait_for(lambda: (nginx.folder / "audit.jsonl").exists(), "the new file")

    def written():
        assert nginx.get("/page", world.sign()).status == 200
        return any(one["type"] == "verdict" for one in records(nginx))

    wait_for(written, "a record in the new file")


def test_each_rotated_file_can_be_read_by_itself(start, world):
    nginx = start(world.http(server="imagxp_audit_log {folder}/audit.jsonl;"))
    current = nginx.folder / "audit.jsonl"
    count = 0
    for rotation in range(5):
        # Of some files the records are written by then, of others they wait in memory.
        for _ in range(5):
            assert nginx.get("/page", world.sign()).status == 200
            count += 1
        if rotation % 2 == 0:
            wait_for(lambda: current.stat().st_size > 0, "the records")
        current.rename(nginx.folder / f"audit.{rotation}")
        nginx.process.send_signal(signal.SIGUSR1)
        wait_for(current.exists, "the new file")
    assert nginx.get("/page", world.sign()).status == 200
    nginx.process.send_signal(signal.SIGQUIT)
    nginx.process.wait(30)
    files = [*sorted(nginx.folder.glob("audit.[0-9]")), current]
    verdicts = 0
    assert all(file.stat().st_size > 0 for file in files)
    for file in files:
        known = set()
        for one in map(json.loads, file.read_text().splitlines()):
            if one["type"] == "manifest":
                known.add(one["sha256"])
            else:
                verdicts += 1
                assert one["manifest"] in known, file.name
    assert verdicts == count + 1


# A file that may not grow any further stands for a disk that is full, to the byte; who writes beyond is told so, not killed.
TOLD = ["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"]


class Disk:
    """An audit log on a disk that can be filled up for each worker on its own."""

    def __init__(self, nginx, world):
        self.nginx, self.world, self.passed = nginx, world, 0
        self.log = nginx.folder / "audit.jsonl"

    def workers(self):
        """All of them: the first answers before the last is there."""
        return wait_for(lambda: len(now := self.nginx.worker_ids()) == self.nginx.workers and now, "the workers")

    def ask(self):
        """One request, counted when it has passed; whether it has."""
        answer = self.nginx.get("/page", self.world.sign())
        assert answer.status == 200 or answer.code == "audit.unavailable", answer
        self.passed += answer.status == 200
        return answer.status == 200

    def fill(self, workers):
        """From now on these workers can write a line and a half."""
        wait_for(lambda: self.ask() and self.log.exists() and self.log.stat().st_size > 40_000, "a file larger than the others")
        time.sleep(1)
        text = self.log.read_bytes()
        assert text.endswith(b"\n")
        limit = len(text) + len(text.splitlines()[-1]) * 3 // 2
        for worker in workers:
            resource.prlimit(worker, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        wait_for(lambda: not self.ask(), "a refusal")

    def free(self):
        """There is room again; what waited is written when the workers end."""
        for worker in self.nginx.worker_ids():
            resource.prlimit(worker, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        wait_for(self.ask, "an answer")
        self.nginx.process.send_signal(signal.SIGQUIT)
        self.nginx.process.wait(30)

    def _only_grows(self, only):
        return subprocess.run(["chattr", "+a" if only else "-a", self.log], capture_output=True, check=False).returncode == 0

    @contextlib.contextmanager
    def append_only(self):
        """Meanwhile the log may only grow; skips the test where this cannot be had."""
        if not self._only_grows(True):
            pytest.skip("SKIPPED: no file here can be made append-only")
        try:
            yield
        finally:
            assert self._only_grows(False)

    def is_whole(self):
        """Whether each line of the file can be read; for a moment, while a worker tries, one may not."""
        text = self.log.read_text()
        return text.endswith("\n") and all(is_record(line) for line in text.splitlines())


def is_record(line):
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


@pytest.mark.parametrize("rotated", [False, True])
@pytest.mark.parametrize("workers", [1, 3])
def test_a_full_disk_tears_no_line(start, world, workers, rotated):
    nginx = start(world.http(server="imagxp_audit_log {folder}/audit.jsonl;"), workers=workers, wrapper=TOLD)
    disk = Disk(nginx, world)
    # Of several workers some go on: what they write comes after what was cut off.
    disk.fill(disk.workers()[: max(1, workers - 1)])
    wait_for(disk.is_whole, "a log of whole lines")
    for _ in range(10):
        disk.ask()
    wait_for(disk.is_whole, "a log of whole lines")
    if rotated:
        disk.log.rename(nginx.folder / "audit.1")
        nginx.process.send_signal(signal.SIGUSR1)
        wait_for(disk.log.exists, "the new file")
    disk.free()
    lines = [line for file in nginx.folder.glob("audit.*") for line in file.read_text().splitlines()]
    assert all(is_record(line) for line in lines)
    traces = [one["trace_id"] for one in map(json.loads, lines) if one["type"] == "verdict"]
    assert len(set(traces)) == len(traces) == disk.passed


def test_half_a_line_that_cannot_be_taken_back_stands_alone(start, world):
    nginx = start(world.http(server="imagxp_audit_log {folder}/audit.jsonl;"), wrapper=TOLD)
    disk = Disk(nginx, world)
    with disk.append_only():
        disk.fill(disk.workers())
        assert not disk.log.read_bytes().endswith(b"\n")
        disk.free()
        lines = disk.log.read_text().splitlines()
    assert sum(not is_record(line) for line in lines) == 1
    verdicts = [one for one in map(json.loads, filter(is_record, lines)) if one["type"] == "verdict"]
    assert len(verdicts) == disk.passed


@pytest.mark.parametrize("reloaded", [False, True])
def test_half_a_line_of_another_worker_stands_alone(start, world, reloaded):
    nginx = start(world.http(server="imagxp_audit_log {folder}/audit.jsonl;"), workers=2, wrapper=TOLD)
    disk = Disk(nginx, world)
    workers = first, second = disk.workers()
    with disk.append_only(), contextlib.ExitStack() as stack:
        stack.callback(go_on, workers)
        # One leaves half a line, and then stands still; the next line is another's.
        stand_still(second)
        disk.fill([first])
        assert not disk.log.read_bytes().endswith(b"\n")
        stand_still(first)
        resource.prlimit(first, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        if reloaded:
            nginx.process.send_signal(signal.SIGHUP)
            wait_for(lambda: len(set(nginx.worker_ids()) - set(workers)) == 2, "new workers")
        else:
            os.kill(second, signal.SIGCONT)
        wait_for(lambda: disk.ask() and disk.log.read_bytes().endswith(b"\n"), "a line of another worker")
        go_on(workers)
        disk.free()
        lines = disk.log.read_text().splitlines()
    assert sum(not is_record(line) for line in lines) == 1
    verdicts = [one for one in map(json.loads, filter(is_record, lines)) if one["type"] == "verdict"]
    assert len(verdicts) == disk.passed


def stand_still(worker):
    """It takes no request any more; one that it took while the signal was on its way would wait for ever."""
    os.kill(worker, signal.SIGSTOP)
    stat = Path(f"/proc/{worker}/stat")
    wait_for(lambda: stat.read_text().rsplit(")", 1)[1].split()[0] == "T", "a worker that stands still")


def go_on(workers):
    """Those that stand still, and are there, work again."""
    for worker in workers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGCONT)


def test_without_a_log_there_is_no_verdict(start, world):
    if not os.path.exists("/dev/full"):
        raise AssertionError("this system has no /dev/full")
    nginx = start(world.http(server="imagxp_audit_log /dev/full;"))
    wait_for(
        lambda: (answer := nginx.get("/page", world.sign())).status == 503 and answer.code == "audit.unavailable", "the refusal"
    )
    assert 'imagxp: write() to "/dev/full" failed' in nginx.errors()
    assert nginx.get("/page", BROWSER).status == 200
