"""The shared zone: one nonce counts once in every worker, across reloads and deaths of workers; a full one refuses."""

import concurrent.futures
import json
import os
import signal
import socket

import imagxp
import pytest
from instance import SECONDS, wait_for
from world import AGENT, BASE, BROWSER, World

STATUS = "location = /zone { imagxp off; imagxp_zone_status; }"


def zone(nginx):
    return json.loads(nginx.get("/zone").body)


def test_a_replay_is_caught_in_every_worker(start, world):
    nginx = start(world.http(), workers=4)
    for _ in range(10):
        headers = world.sign()
        statuses = sorted(nginx.get("/page", headers).status for _ in range(8))
        assert statuses == [200] + [409] * 7


def test_a_race_for_one_nonce_has_one_winner(start, world):
    nginx = start(world.http(), workers=4)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for _ in range(10):
            headers = world.sign()
            statuses = sorted(pool.map(lambda _, headers=headers: nginx.get("/page", headers).status, range(16)))
            assert statuses == [200] + [409] * 15


@pytest.mark.parametrize("size", ["1m", "2m", "512k"])
def test_a_replay_is_caught_across_a_reload(start, world, size):
    # Also when the zone's size has changed: what is live moves.
    nginx = start(world.http(locations=STATUS), workers=2)
    before = [world.sign() for _ in range(50)]
    assert {nginx.get("/page", headers).status for headers in before} == {200}
    capacity = zone(nginx)["nonces_max"]
    nginx.reload(world.http(zone=size, locations=STATUS))
    assert (zone(nginx)["nonces_max"] == capacity) == (size == "1m")
    assert zone(nginx)["nonces"] == 50
    assert {nginx.get("/page", headers).status for headers in before} == {409}
    assert nginx.get("/page", world.sign()).status == 200


def test_what_an_old_worker_accepts_is_not_forgotten(start, tmp_path):
    world = World(tmp_path / "post", {**BASE, "methods": ["GET", "HEAD", "POST"]})
    nginx = start(world.http())
    body = b"signed"
    headers = world.sign(method="POST", content_digest=imagxp.content_digest(body))
    head = "POST /page HTTP/1.1\r\nHost: pub.example\r\nConnection: close\r\nExpect: 100-continue\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in [*headers, ("Content-Length", len(body))])
    with socket.create_connection(("127.0.0.1", nginx.port), timeout=SECONDS) as late:
        late.sendall(head.encode() + b"\r\n")
        # It waits for the body, before its nonce is spent, while all that was spent moves.
        assert late.recv(100).startswith(b"HTTP/1.1 100 ")
        nginx.reload(world.http(zone="2m"))
        late.sendall(body)
        answer = b""
        while piece := late.recv(65536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 503 "), answer
    assert b'"replay.store_error"' in answer
    # It is good for another try, and for one. (A static file takes no POST: whoever gets 405 has passed.)
    assert [nginx.get("/page", headers, "POST", body).status for _ in range(2)] == [405, 409]


def test_a_reload_that_fails_moves_nothing(start, world):
    nginx = start(world.http(locations=STATUS), workers=2)
    before = [world.sign() for _ in range(10)]
    assert {nginx.get("/page", headers).status for headers in before} == {200}
    workers = nginx.worker_ids()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        # What fails comes after the zone has been made.
        nginx.write(world.http(zone="2m", server=f"listen 127.0.0.1:{taken.getsockname()[1]};", locations=STATUS))
        nginx.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "still could not bind" in nginx.errors(), "the end of the reload")
    assert nginx.get("/page", world.sign()).status == 200
    assert {nginx.get("/page", headers).status for headers in before} == {409}
    assert nginx.worker_ids() == workers
    # This emergency is the test's.
    (nginx.folder / "error.log").write_text("")
    # And so it is with the next one, which does not fail.
    nginx.reload(world.http(zone="2m", locations=STATUS))
    assert zone(nginx)["nonces"] == 11
    assert nginx.get("/page", world.sign()).status == 200


def test_a_zone_that_shrinks_below_what_is_live_refuses_rather_than_forgets(start, world):
    nginx = start(world.http(zone="1m", locations=STATUS))
    before = [world.sign() for _ in range(900)]
    assert {nginx.get("/page", headers).status for headers in before} == {200}
    nginx.reload(world.http(zone="128k", locations=STATUS))
    # What found no room is refused as too old, and so is everything of that time.
    assert {nginx.get("/page", headers).status for headers in before} <= {409, 401}


def test_a_policy_that_changes_takes_effect_with_the_reload(start, world, tmp_path):
    changing = World(tmp_path / "changing")
    nginx = start(changing.http())
    assert nginx.get("/page", changing.sign(purpose="SUMMARY")).status == 200
    changing.write("policy.json", json.dumps({**BASE, "purposes": {"RAG_RETRIEVAL": {}}}))
    nginx.reload()
    assert nginx.get("/page", changing.sign(purpose="SUMMARY")).code == "policy.purpose_denied"
    changing.write("policy.json", "{")
    nginx.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "not valid JSON" in nginx.errors(), "the refusal of the new configuration")
    assert nginx.get("/page", changing.sign()).status == 200
    # This emergency is the test's.
    (nginx.folder / "error.log").write_text("")


def test_a_killed_worker_takes_nothing_with_it(start, world):
    nginx = start(world.http(), workers=2)
    before = [world.sign() for _ in range(20)]
    assert {nginx.get("/page", headers).status for headers in before} == {200}
    for _ in range(3):
        victims = nginx.worker_ids()
        for victim in victims:
            os.kill(victim, signal.SIGKILL)
        wait_for(lambda victims=victims: len(now := nginx.worker_ids()) == 2 and not set(now) & set(victims), "new workers")
        assert {nginx.get("/page", headers).status for headers in before} == {409}
        assert nginx.get("/page", world.sign()).status == 200
    log = nginx.folder / "error.log"
    assert log.read_text().count("exited on signal 9") >= 6
    log.write_text("\n".join(line for line in log.read_text().splitlines() if "exited on signal 9" not in line))


def test_rates_are_shared_by_workers_and_survive_a_reload(start, tmp_path):
    world = World(tmp_path / "rates", {**BASE, "rate": {"requests": 10, "per_s": 3600}})
    nginx = start(world.http(), workers=4)
    statuses = [nginx.get("/page", world.sign()).status for _ in range(16)]
    assert statuses == [200] * 10 + [429] * 6
    nginx.reload()
    assert nginx.get("/page", world.sign()).status == 429
    # So they do when the policy has changed.
    world.write("policy.json", json.dumps({**BASE, "rate": {"requests": 9, "per_s": 3600}}))
    nginx.reload()
    assert nginx.get("/page", world.sign()).status == 429


def test_uses_of_a_visa_are_counted_in_every_worker(start, tmp_path):
    broker = imagxp.PrivateKey.generate()
    issuer = "https://broker.example"
    world = World(
        tmp_path / "visas",
        {
            **BASE,
            "price": {"amount": "0.01", "currency": "USD"},
            "payment": {"brokers": [{"issuer": issuer, "jwks_uri": f"{issuer}/jwks.json"}]},
        },
    )
    world.write("jwks.json", json.dumps({"keys": [{**broker.public_key.to_jwk(), "kid": broker.public_key.thumbprint}]}))
    nginx = start(
        world.http(
            more=f"imagxp_jwks_file {issuer}/jwks.json {world.folder}/jwks.json; imagxp_manifest_file {AGENT} {world.folder}/manifest.json;"
        ),
        workers=4,
    )
    visa = imagxp.issue_visa(
        broker,
        issuer=issuer,
        audience="https://pub.example",
        agent_id=AGENT,
        jti="12345678",
        amount="0.01",
        currency="USD",
        max_uses=5,
    )
    statuses = sorted(nginx.get("/page", world.sign(payment=visa)).status for _ in range(12))
    assert statuses == [200] * 5 + [402] * 7


def test_a_full_zone_refuses_and_evicts_nothing(start, tmp_path):
    world = World(tmp_path / "full")
    agents = [imagxp.Identity.generate(f"a{number}.example") for number in range(8)]
    more = ""
    for agent in agents:
        world.write(f"{agent.agent_id}.json", agent.manifest().to_json())
        more += f"imagxp_manifest_file {agent.agent_id} {world.folder}/{agent.agent_id}.json;\n"
    nginx = start(world.http(zone="128k", more=more, locations=STATUS), workers=2)
    capacity, share = zone(nginx)["nonces_max"], zone(nginx)["nonces_per_agent_max"]
    assert 500 < capacity < 4000
    assert share == capacity // 5
    accepted, refused = [], 0
    for agent in agents:
        for _ in range(share + 5):
            headers = world.sign(agent=agent)
            answer = nginx.get("/page", headers)
            if answer.status == 200:
                accepted.append(headers)
            else:
                assert (answer.status, answer.code) == (503, "replay.store_full")
                refused += 1
    assert len(accepted) == capacity
    assert refused == 8 * (share + 5) - capacity
    assert zone(nginx)["nonces"] == capacity
    assert zone(nginx)["refused_full"] == refused
    # Nothing of it was forgotten, and those who sign nothing do not notice.
    assert {nginx.get("/page", headers).status for headers in accepted[::17]} == {409}
    assert nginx.get("/page", BROWSER).status == 200


def crowd(world, count):
    """So many agents, and the directives that give their manifests."""
    agents = [imagxp.Identity.generate(f"a{number}.example") for number in range(count)]
    more = ""
    for agent in agents:
        world.write(f"{agent.agent_id}.json", agent.manifest().to_json())
        more += f"imagxp_manifest_file {agent.agent_id} {world.folder}/{agent.agent_id}.json;\n"
    return agents, more


def test_more_agents_than_entries_share_what_is_left(start, tmp_path):
    world = World(tmp_path / "crowd")
    room = zone(start(world.http(zone="128k", locations=STATUS)))["agents_max"]
    agents, more = crowd(world, room + 20)
    nginx = start(world.http(zone="128k", more=more, locations=STATUS), workers=2)
    sent = [world.sign(agent=agent) for agent in agents]
    assert {nginx.get("/page", headers).status for headers in sent} == {200}
    assert {nginx.get("/page", headers).status for headers in sent} == {409}
    full = zone(nginx)
    assert (full["agents"], full["nonces"], full["nonces_shared"], full["refused_full"]) == (room, room + 20, 20, 0)
    # Together they have half of one agent's share, and take nothing from those who have a place.
    share = full["nonces_per_agent_max"]
    statuses = [nginx.get("/page", world.sign(agent=agents[-1])).status for _ in range(share // 2)]
    assert statuses == [200] * (share // 2 - 20) + [503] * 20
    assert nginx.get("/page", world.sign(agent=agents[0])).status == 200
    # In a larger zone, to which they move, so it stays.
    nginx.reload(world.http(zone="256k", more=more, locations=STATUS))
    assert {nginx.get("/page", headers).status for headers in sent} == {409}
    assert zone(nginx)["nonces_shared"] == share // 2
    assert nginx.get("/page", world.sign(agent=agents[-1])).status == 200


def test_agents_without_an_entry_share_a_rate(start, tmp_path):
    world = World(tmp_path / "crowd", {**BASE, "rate": {"requests": 3, "per_s": 3600}})
    room = zone(start(world.http(zone="128k", locations=STATUS)))["agents_max"]
    # Each takes an entry for its nonces and one for its rate.
    agents, more = crowd(world, room // 2 + 10)
    nginx = start(world.http(zone="128k", more=more, locations=STATUS))
    statuses = [nginx.get("/page", world.sign(agent=agent)).status for agent in agents]
    served = room // 2 + 3
    assert statuses == [200] * served + [429] * (len(agents) - served)
    assert [nginx.get("/page", world.sign(agent=agents[0])).status for _ in range(3)] == [200, 200, 429]


def test_agents_without_an_entry_share_a_rate_under_each_policy(start, tmp_path):
    world = World(tmp_path / "crowd", {**BASE, "rate": {"requests": 3, "per_s": 3600}})
    room = zone(start(world.http(zone="128k", locations=STATUS)))["agents_max"]
    agents, more = crowd(world, room // 2 + 3)
    # There are places for 15 policies. What the file of the site's own says, the others say as well.
    locations = STATUS
    for number in range(15):
        world.write(f"policy{number}.json", (world.folder / "policy.json").read_bytes())
        locations += f"location = /{number} {{ imagxp_policy {world.folder}/policy{number}.json; try_files /page =404; }}\n"
    nginx = start(world.http(zone="128k", more=more, locations=locations))
    assert {nginx.get("/page", world.sign(agent=agent)).status for agent in agents} == {200}
    late = agents[-2:] * 2
    assert [nginx.get("/page", world.sign(agent=agent)).status for agent in late] == [429] * 4
    for number in range(15):
        statuses = [nginx.get(f"/{number}", world.sign(f"/{number}", agent=agent)).status for agent in late]
        # Who finds no place shares another policy's, and has to wait, but is not told that something is broken.
        assert statuses == ([200] * 3 + [429] if number < 14 else [429] * 4), number


def shares(start, world, *sizes):
    """How many nonces one agent may have in zones of these sizes, and how many agents have an entry in the first."""
    found = [zone(start(world.http(zone=size, locations=STATUS))) for size in sizes]
    return [one["nonces_per_agent_max"] for one in found], found[0]["agents_max"]


# In which order nonces move is chance: by a hash whose key each zone has drawn.
@pytest.mark.parametrize("draw", range(3))
def test_a_crowded_zone_that_is_enlarged_refuses_nobody(start, tmp_path, draw):
    world = World(tmp_path / "crowd")
    (share, larger), room = shares(start, world, "128k", "160k")
    agents, more = crowd(world, room + 1)
    nginx = start(world.http(zone="128k", more=more, locations=STATUS), workers=2)
    # Some have more than half of what will be a share, and a late one has all that is there for those.
    each = larger // 2 + 10
    assert share // 2 < each < share
    signers = [*agents[:5] * each, *agents[5:room], *agents[room:] * (share // 2)]
    sent = [world.sign(agent=agent) for agent in signers]
    assert {nginx.get("/page", headers).status for headers in sent} == {200}
    nginx.reload(world.http(zone="160k", more=more, locations=STATUS))
    found = zone(nginx)
    assert (found["nonces"], found["nonces_shared"], found["nonces_per_agent_max"]) == (len(sent), share // 2, larger)
    assert nginx.get("/page", world.sign()).status == 200
    assert {nginx.get("/page", headers).status for headers in sent[::17]} == {409}


def test_a_zone_that_is_enlarged_gives_nobody_more_than_a_share(start, tmp_path):
    world = World(tmp_path / "crowd")
    (_, larger, largest), room = shares(start, world, "128k", "160k", "192k")
    agents, more = crowd(world, room + 1)
    nginx = start(world.http(zone="128k", more=more, locations=STATUS))
    assert {nginx.get("/page", world.sign(agent=agent)).status for agent in agents} == {200}
    # The last has found no entry. Where it finds one, what it has among the shared ones counts as half of its share.
    had = 0
    for size, share in (("160k", larger), ("192k", largest)):
        nginx.reload(world.http(zone=size, more=more, locations=STATUS))
        assert zone(nginx)["nonces_shared"] == 1
        own = share - share // 2 - had
        assert [nginx.get("/page", world.sign(agent=agents[-1])).status for _ in range(own + 1)] == [200] * own + [503]
        had += own


def test_expired_nonces_make_room(start, tmp_path):
    # A claim at the edge of its window keeps its nonce for a minute and a bit; here the window is two seconds.
    world = World(tmp_path / "short", {**BASE, "clock": {"past_s": 1, "future_s": 60}})
    nginx = start(world.http(locations=STATUS))
    assert nginx.get("/page", world.sign()).status == 200
    assert zone(nginx)["nonces"] == 1
