"""What an operator has left out: the log names it at nginx's own level, once for many requests, and no other server has to bear it."""

import concurrent.futures
import socket
import time

import imagxp
import pytest
from guide import PAGE, TOML, blocks, placed
from servers import Manifests, Names
from test_fetch import LOOPBACK, REQUESTS, named, sign, site
from world import World

CONFIGURATIONS = blocks(PAGE, "nginx")
# Without a level nginx logs errors: no warnings, and nothing less.
DEFAULT = "error_log {}/default.log;"


@pytest.fixture
def world(tmp_path, manifests):
    world = World(tmp_path / "world", LOOPBACK)
    world.agent = imagxp.Identity.generate(f"127.0.0.1:{manifests.port}", allow_loopback=True)
    manifests.document = world.agent.manifest().to_json()
    return world


def guide(tmp_path, number):
    """A configuration of the guide on this machine's port and files, and its world."""
    world = World(tmp_path / "guide")
    world.write("policy.toml", TOML)
    text = CONFIGURATIONS[number].replace("127.0.0.1:8080", "127.0.0.1:{port}")
    return world, placed(text, world, tmp_path)


def errors(tmp_path, about):
    """The lines of the default log that are about this."""
    return [line for line in (tmp_path / "default.log").read_text().splitlines() if about in line]


@pytest.mark.parametrize("how", ["refuses", "says nothing"])
def test_a_resolver_that_does_not_answer_is_named_once(start, tmp_path, how):
    world, text = guide(tmp_path, 1)
    silence = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silence.bind(("127.0.0.1", 0))
    port = silence.getsockname()[1]
    if how == "refuses":
        silence.close()
    assert text.count("resolver 127.0.0.53 ") == 1
    nginx = start(text.replace("127.0.0.53", f"127.0.0.1:{port}"), top=DEFAULT.format(tmp_path))
    for number in range(3):
        agent = imagxp.Identity.generate(f"bot{number}.example.com")
        answer = nginx.get("/page", world.sign(agent=agent))
        assert (answer.status, answer.code) == (503, "identity.fetch_failed")
    (line,) = errors(tmp_path, "could not be resolved")
    assert "[error]" in line
    assert 'bot0.example.com could not be resolved (110: Operation timed out); if no name can be, "resolver"' in line
    silence.close()


def test_a_name_that_a_stranger_made_up_is_no_error(start, tmp_path):
    world, names, text = named(tmp_path, {}, server=REQUESTS)
    nginx = start(text, top=DEFAULT.format(tmp_path))
    assert nginx.get("/page", world.sign()).code == "identity.fetch_failed"
    assert "bot.example.com could not be resolved (3: Host not found)" in nginx.errors()
    assert errors(tmp_path, "imagxp") == []
    names.close()


FORGOTTEN = {
    "a file": "root @folder;",
    "an answer": "root @folder; location /imagxp- { return 200 forged; }",
    "a redirect": "root @folder; if ($uri = /imagxp-fetch) { return 301 https://pub.example$uri; }",
    "a rewrite": "root @folder; location / { rewrite ^/imagxp-fetch /page last; }",
    "an application": "location / { proxy_pass http://127.0.0.1:@application; }",
}


def two_servers(world, application=1, forgotten="a file"):
    """One server as it should be, and forgetful.example, which has forgotten the snippet."""
    inside = FORGOTTEN[forgotten].replace("@folder", str(world.folder / "html")).replace("@application", str(application))
    named = site(world).replace("imagxp_zone", "imagxp_manifest_request /imagxp-fetch; imagxp_zone", 1)
    return named + f"server {{ listen 127.0.0.1:{{port}}; server_name forgetful.example; imagxp enforce; {inside} }}"


@pytest.mark.parametrize("forgotten", FORGOTTEN)
def test_a_server_without_the_snippet_is_named_and_harms_no_other(start, world, tmp_path, manifests, forgotten):
    world.write("html/imagxp-fetch", manifests.document)
    nginx = start(two_servers(world, manifests.port, forgotten), top=DEFAULT.format(tmp_path))
    for _ in range(3):
        answer = nginx.get("/page", sign(world), host="forgetful.example")
        # What stands there is no manifest, also when it looks like one, and the agent is not told that it has none.
        assert (answer.status, answer.code) == (503, "identity.manifest_needed")
    assert manifests.requests == []
    (line,) = errors(tmp_path, "imagxp")
    assert "[error]" in line
    said = "a rewrite or X-Accel-Redirect has led it" if forgotten == "a rewrite" else "this server has neither that location"
    assert f'"imagxp_manifest_request" names "/imagxp-fetch", and {said}' in line
    assert "include imagxp-fetch.conf in each server" in line
    assert "server: forgetful.example" in line
    assert nginx.get("/page", sign(world)).status == 200
    # It has what the other has fetched.
    assert nginx.get("/page", sign(world), host="forgetful.example").status == 200


def test_who_waits_in_the_right_server_carries_on(start, world, tmp_path):
    names = Names({})
    held = []
    answer, names.answer = names.answer, lambda query: (held.append(query), time.sleep(1), answer(query))[2]
    agent = imagxp.Identity.generate("bot.example.com")
    names.addresses["bot.example.com"] = ["127.0.0.1"]
    resolver = f"resolver 127.0.0.1:{names.port} ipv6=off; imagxp_zone"
    nginx = start(two_servers(world).replace("imagxp_zone", resolver, 1), top=DEFAULT.format(tmp_path))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        wrong = pool.submit(nginx.get, "/page", sign(world, agent=agent), host="forgetful.example")
        while not held:
            time.sleep(0.01)
        right = pool.submit(nginx.get, "/page", sign(world, agent=agent))
        assert wrong.result().code == "identity.manifest_needed"
        # Nobody listens on port 443 here: its own location was asked, and says so.
        assert right.result().code == "identity.fetch_failed"
    assert len(errors(tmp_path, '"imagxp_manifest_request" names')) == 1
    assert errors(tmp_path, "connect() failed")
    names.close()


@pytest.mark.parametrize(
    "location",
    [
        "location = /imagxp-fetch {{ {} }}",
        "location /imagxp- {{ internal; {} }}",
        "location ~ ^/imagxp {{ internal; {} }}",
        "location = /imagxp-fetch {{ internal; try_files /none @fetch; }} location @fetch {{ {} }}",
    ],
)
def test_a_location_of_ones_own_has_the_name_or_is_internal(start, world, manifests, location):
    proxied = f"imagxp off; proxy_pass http://127.0.0.1:{manifests.port}; proxy_pass_request_headers off;"
    nginx = start(site(world, server="imagxp_manifest_request /imagxp-fetch;", locations=location.format(proxied)))
    assert nginx.get("/page", sign(world)).status == 200


@pytest.mark.parametrize(
    "rewrite",
    [
        "if ($http_user_agent ~* mobile) { rewrite ^ /m$uri last; }",
        "if ($request_uri ~ small) { rewrite ^ /m$uri last; }",
        "if (!-e $request_filename) { rewrite ^ /index.html last; }",
    ],
)
def test_no_reader_chooses_where_a_fetch_goes(start, world, tmp_path, manifests, rewrite):
    world.write("html/m/page", "a small page\n")
    nginx = start(site(world, server=rewrite + REQUESTS), top=DEFAULT.format(tmp_path))
    others = Manifests()
    stranger = imagxp.Identity.generate(f"127.0.0.1:{others.port}", allow_loopback=True)
    others.document = stranger.manifest().to_json()
    path = "/page?small"
    first = nginx.get(path, [("User-Agent", "mobile IMAGXP/1.0"), *sign(world, path, agent=stranger)[1:]])
    assert nginx.get("/page", sign(world)).status == 200
    assert first.status == 200
    assert errors(tmp_path, "imagxp") == []
    others.close()


def test_an_agents_server_that_leads_its_fetch_elsewhere_shuts_out_nobody(start, world, tmp_path, manifests):
    """By X-Accel-Redirect, where a location of one's own does not ignore it."""
    proxied = "location = /imagxp-fetch {{ internal; proxy_pass http://127.0.0.1:{}; proxy_pass_request_headers off; }}"
    locations = proxied.format(manifests.port)
    nginx = start(site(world, server="imagxp_manifest_request /imagxp-fetch;", locations=locations), top=DEFAULT.format(tmp_path))
    manifests.behave = lambda handler: handler.answer(200, b"", [("X-Accel-Redirect", "/page")])
    for _ in range(3):
        answer = nginx.get("/page", sign(world))
        assert (answer.status, answer.code) == (503, "identity.manifest_needed")
    assert len(manifests.requests) == 3
    (line,) = errors(tmp_path, "imagxp")
    assert '"/imagxp-fetch", and a rewrite or X-Accel-Redirect has led it to location "/"' in line
    manifests.behave = None
    assert nginx.get("/page", sign(world)).status == 200


def test_the_guides_site_with_receipts_shows_its_manifest_to_everybody(start, tmp_path):
    (text,) = [text for text in CONFIGURATIONS if "imagxp_provenance_key" in text]
    world, text = guide(tmp_path, CONFIGURATIONS.index(text))
    closed = TOML.replace('unsigned = "allow"', 'unsigned = "deny"') + '\n[provenance]\norigin = "HUMAN"\n'
    world.write("human.toml", closed)
    world.write("bot.example.com.json", world.agent.manifest().to_json())
    key = imagxp.PrivateKey.generate()
    world.write("key.pem", key.to_pem())
    manifest = imagxp.Identity("pub.example", key).manifest().to_json()
    world.write("html/.well-known/imagxp-agent.json", manifest)
    nginx = start(text)
    assert nginx.get("/page").status == 401
    # By it an agent checks what the site has signed.
    answer = nginx.get("/.well-known/imagxp-agent.json")
    assert answer.status == 200
    assert answer.body == (manifest if isinstance(manifest, bytes) else manifest.encode())
