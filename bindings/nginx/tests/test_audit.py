"""The audit log: a JSON line for each signed request, manifests before them, and no verdict without its record."""

import hashlib
import json
import os
import signal

import imagxp
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


def test_without_a_log_there_is_no_verdict(start, world):
    if not os.path.exists("/dev/full"):
        raise AssertionError("this system has no /dev/full")
    nginx = start(world.http(server="imagxp_audit_log /dev/full;"))
    wait_for(
        lambda: (answer := nginx.get("/page", world.sign())).status == 503 and answer.code == "audit.unavailable", "the refusal"
    )
    assert 'imagxp: write() to "/dev/full" failed' in nginx.errors()
    assert nginx.get("/page", BROWSER).status == 200
