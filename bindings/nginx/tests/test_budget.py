"""The budget of fetches: 32 at a time and 50 a second in each worker, and what becomes of the others while it is used up."""

import glob
import os
import socket

import imagxp
import pytest
from instance import SANITIZED, wait_for
from world import BASE, World

REQUESTS = "imagxp_manifest_request /imagxp-fetch; include {snippets}/imagxp-fetch.conf;"


@pytest.fixture
def world(tmp_path, manifests):
    world = World(tmp_path / "world", {**BASE, "origins": ["http://127.0.0.1"], "allow_loopback": True})
    world.agent = imagxp.Identity.generate(f"127.0.0.1:{manifests.port}", allow_loopback=True)
    manifests.document = world.agent.manifest().to_json()
    return world


def sign(world, **more):
    return world.sign(origin="http://127.0.0.1", **more)


@pytest.mark.parametrize("reloaded", [False, True])
def test_strangers_who_keep_the_fetches_busy_shut_out_nobody_who_is_known(start, world, manifests, tmp_path, reloaded):
    library = next(iter(glob.glob("/usr/lib/*/faketime/libfaketime.so.1")), None)
    if SANITIZED:
        pytest.skip("SKIPPED: the sanitizer takes the place of libfaketime")
    if library is None:
        assert "CI" not in os.environ, "there is no libfaketime"
        pytest.skip("SKIPPED: there is no libfaketime")
    clock = tmp_path / "clock"
    clock.write_text("+0\n")
    environment = {
        "LD_PRELOAD": library,
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DISABLE_SHM": "1",
    }
    manifests.behave = lambda handler: handler.answer(200, manifests.document, [("Cache-Control", "max-age=60")])
    # A name server that says nothing holds each fetch up.
    silence = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silence.bind(("127.0.0.1", 0))
    silence.settimeout(30)
    more = f"resolver 127.0.0.1:{silence.getsockname()[1]} ipv6=off; resolver_timeout 60s;"
    text = world.http(more=more, server=REQUESTS).replace("_timeout 30s", "_timeout 60s")
    kept = "".join(f"env {name};\n" for name in environment)
    nginx = start(text, environment=environment, top=kept)
    assert nginx.get("/page", sign(world)).status == 200
    aside = tmp_path / "aside"
    aside.write_text("+90\n")
    aside.replace(clock)
    if reloaded:
        # The new worker has fetched nothing itself: what serves on is the zone's.
        nginx.reload()
    strangers = [imagxp.Identity.generate(f"s{number}.example") for number in range(33)]
    waiting = []
    for stranger in strangers[:32]:
        lines = "".join(f"{name}: {value}\r\n" for name, value in sign(world, agent=stranger))
        waiting.append(socket.create_connection(("127.0.0.1", nginx.port)))
        waiting[-1].sendall(f"GET /page HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode())
    asked = set()
    while len(asked) < 32:
        asked.add(silence.recv(4096)[12:])
    try:
        # The manifest is too old to be used without an attempt, and serves on when there can be none.
        assert [nginx.get("/page", sign(world)).status for _ in range(3)] == [200] * 3
        answer = nginx.get("/page", sign(world, agent=strangers[32]))
        assert (answer.status, answer.code, answer["retry-after"]) == (503, "identity.fetch_busy", "2")
        assert len(manifests.requests) == 1
    finally:
        for connection in waiting:
            connection.close()
    # When there is room again, a moment later, it is fetched.
    wait_for(lambda: nginx.get("/page", sign(world)).status == 200 and len(manifests.requests) == 2, "a fetch")
