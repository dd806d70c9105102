"""The access phase among nginx's other parts: satisfy, redirects, error pages, proxies, keep-alive, HTTP/2, several sites."""

import http.client
import http.server
import json
import re
import subprocess
import threading

import imagxp
import pytest
from instance import wait_for
from world import AGENT, BASE, BROWSER, World


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with the header lines that came."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = json.dumps([[name, value] for name, value in self.headers.items()]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def upstream():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def test_a_claim_may_take_twelve_kibibytes(start, world):
    # As the guide has it; nginx's own lines have 8 KiB.
    signed = world.sign(context={"notes": ["x" * 4000, "y" * 3000]})
    assert 8192 < len(dict(signed)["x-imagxp-payload"]) < 12 * 1024
    assert start(world.http(more="large_client_header_buffers 4 16k;")).get("/page", signed).status == 200
    assert start(world.http()).get("/page", signed).status == 400


def test_observe_lets_pass_and_says_what_would_have_been(start, world):
    nginx = start(world.http(mode="observe", location="add_header x-would $imagxp_would_deny$imagxp_code always;"))
    answer = nginx.get("/closed/page", BROWSER)
    assert answer.status == 200
    assert answer["x-would"] == "1auth.required"
    answer = nginx.get("/closed/page", world.sign("/closed/page"))
    assert answer.status == 200
    assert answer["x-would"] == "0"


@pytest.mark.parametrize(
    ("directive", "headers", "path", "status"),
    [
        ("imagxp_status_unsigned 403", BROWSER, "/closed/page", 403),
        ("imagxp_status_undecided 502", None, "/page", 502),
    ],
)
def test_statuses_of_the_operators_choice(start, world, directive, headers, path, status):
    nginx = start(world.http(server=f"{directive};"))
    answer = nginx.get(path, headers or world.sign(agent=world.stranger))
    assert answer.status == status
    assert answer.code in ("auth.required", "identity.manifest_needed")


def test_a_proxied_upstream_gets_our_verdict_and_nobody_elses(start, world, upstream):
    nginx = start(
        world.http(
            location=f"proxy_pass http://127.0.0.1:{upstream}; include {{snippets}}/imagxp-proxy.conf;",
            locations=f"location /plain {{ proxy_pass http://127.0.0.1:{upstream}; }}"
            f"location /kept {{ imagxp_strip_headers off; proxy_pass http://127.0.0.1:{upstream}; }}",
        )
    )
    got = {name.lower(): value for name, value in json.loads(nginx.get("/page", world.sign()).body)}
    # The second is the former name of the first.
    for name, value in (
        ("agent-id", AGENT),
        ("agent", AGENT),
        ("code", "ok"),
        ("outcome", "allow"),
        ("purpose", "RAG_RETRIEVAL"),
    ):
        assert got[f"x-imagxp-verdict-{name}"] == value, name
    forged = [("X-Imagxp-Verdict-Agent", "evil.example"), ("x-imagxp-verdict-other", "1"), ("X-Kept", "yes")]
    got = json.loads(nginx.get("/page", world.sign() + forged).body)
    values = [value for name, value in got if name.lower() == "x-imagxp-verdict-agent"]
    assert values == [AGENT]
    assert ["X-Kept", "yes"] in got
    assert not any("other" in name for name, _ in got)
    many = [(f"x-imagxp-verdict-{n}", "1") for n in range(10)] + [(f"x-ok-{n}", "1") for n in range(30)]
    answer = nginx.get("/plain", world.sign("/plain") + many)
    assert answer.status == 200, answer
    got = json.loads(answer.body)
    assert not any("verdict" in name.lower() for name, _ in got)
    assert sum(name.startswith("x-ok") for name, _ in got) == 30
    got = json.loads(nginx.get("/kept", world.sign("/kept") + forged).body)
    assert any("verdict" in name.lower() for name, _ in got)


def test_a_refusal_that_is_passed_on_carries_no_verdict_of_the_visitors_own(start, world, upstream):
    forged = ("X-Imagxp-Verdict-Agent", "evil.example")
    locations = f"location /any {{ satisfy any; allow 127.0.0.1; deny all; proxy_pass http://127.0.0.1:{upstream}; }}"
    got = json.loads(start(world.http(locations=locations)).get("/any", [*BROWSER, forged]).body)
    assert not any("verdict" in name.lower() for name, _ in got)


@pytest.mark.parametrize(("more", "kept"), [("", False), ("imagxp_strip_headers off;", True)])
def test_where_nobody_is_judged_nobody_speaks_of_a_verdict(start, world, upstream, more, kept):
    # In a location, in a server of its own, and behind the page of an error.
    proxied = f"{more} proxy_pass http://127.0.0.1:{upstream};"
    nginx = start(
        world.http(
            locations=f"location /off {{ imagxp off; {proxied} }} location = /lost {{ imagxp off; error_page 404 /off; return 404; }}"
        )
        + f"    server {{ listen 127.0.0.1:{{port}}; server_name other.example; location / {{ {proxied} }} }}"
    )
    forged = [("X-Imagxp-Verdict-Agent-Id", "evil.example"), ("x-imagxp-verdict-outcome", "allow"), ("X-Kept", "yes")]
    for path, host in (("/off", None), ("/lost", None), ("/page", "other.example")):
        got = json.loads(nginx.get(path, [*BROWSER, *forged], host=host).body)
        assert ["X-Kept", "yes"] in got
        assert sum("verdict" in name.lower() for name, _ in got) == (2 if kept else 0), path


def test_without_a_zone_requests_pass_as_they_are(start, world, upstream):
    nginx = start(f"server {{ listen 127.0.0.1:{{port}}; location / {{ proxy_pass http://127.0.0.1:{upstream}; }} }}")
    got = json.loads(nginx.get("/", [("x-imagxp-verdict-outcome", "allow")]).body)
    assert ["x-imagxp-verdict-outcome", "allow"] in got


def test_underscores_cannot_forge_a_verdict(start, world, upstream):
    nginx = start(world.http(server="underscores_in_headers on;", location=f"proxy_pass http://127.0.0.1:{upstream};"))
    got = json.loads(nginx.get("/page", [*world.sign(), ("x_imagxp_verdict_agent", "evil.example"), ("x_ok", "1")]).body)
    assert not any("verdict" in name for name, _ in got)
    assert ["x_ok", "1"] in got


@pytest.mark.parametrize(
    ("others", "headers", "status"),
    [
        ("deny all;", "signed", 200),
        ("deny all;", "browser", 401),
        ("deny all;", "bad", 401),
        ("allow 127.0.0.1; deny all;", "bad", 200),
        ("allow 127.0.0.1; deny all;", "browser", 200),
        ("deny all;", "purpose", 403),
        ("deny all;", "unknown", 503),
    ],
)
def test_satisfy_any(start, world, others, headers, status):
    nginx = start(world.http(locations=f"location /closed/ {{ satisfy any; {others} }}"))
    sign = {
        "signed": lambda: world.sign("/closed/page"),
        "browser": lambda: BROWSER,
        "bad": lambda: world.sign("/closed/page")[:-1],
        "purpose": lambda: world.sign("/closed/page", purpose="CRAWL_TRAINING"),
        "unknown": lambda: world.sign("/closed/page", agent=world.stranger),
    }[headers]
    sent = sign()
    if headers == "bad":
        sent = [(name, "0" * 128 if name == "x-imagxp-signature" else value) for name, value in world.sign("/closed/page")]
    answer = nginx.get("/closed/page", sent)
    assert answer.status == status, answer
    assert (answer.body == b"a closed page\n") == (status == 200)
    if status != 200:
        assert answer["content-type"] == "application/json"
        assert answer.code


@pytest.mark.parametrize(
    ("others", "headers", "status"),
    [
        ("deny all;", "browser", 403),
        ("auth_basic x; auth_basic_user_file {users};", "browser", 401),
        ("deny all; auth_basic x; auth_basic_user_file {users};", "browser", 401),
        ("deny all; auth_basic x; auth_basic_user_file {users};", "user", 200),
        ("deny all; auth_basic x; auth_basic_user_file {users};", "signed", 200),
        ("allow 127.0.0.1; deny all;", "browser", 200),
        ("", "browser", 200),
        ("", "signed", 200),
        ("", "client", 401),
    ],
)
def test_satisfy_any_lets_nobody_in_for_being_allowed_here(start, world, others, headers, status):
    # The policy lets browsers read this page unsigned; that is no leave to pass what others close.
    users = world.write("users", "reader:{PLAIN}secret\n")
    nginx = start(world.http(locations=f"location /page {{ satisfy any; {others.replace('{users}', str(users))} }}"))
    sent = {
        "signed": world.sign,
        "browser": lambda: BROWSER,
        "user": lambda: [*BROWSER, ("Authorization", "Basic cmVhZGVyOnNlY3JldA==")],
        "client": list,
    }[headers]()
    answer = nginx.get("/page", sent)
    assert answer.status == status, answer
    assert (answer.body == b"a page\n") == (status == 200)


@pytest.mark.parametrize(("headers", "status"), [("signed", 403), ("browser", 401)])
def test_satisfy_all_needs_both(start, world, headers, status):
    nginx = start(world.http(locations="location /closed/ { deny all; }"))
    answer = nginx.get("/closed/page", world.sign("/closed/page") if headers == "signed" else BROWSER)
    assert answer.status == status
    # The 403 is nginx's own.
    assert (answer["content-type"] == "application/json") == (status == 401)


def test_observing_opens_nothing_that_others_close(start, world):
    nginx = start(world.http(mode="observe", locations="location /closed/ { satisfy any; deny all; }"))
    assert nginx.get("/closed/page", world.sign("/closed/page")).status == 403


def test_an_error_page_of_the_operators_own(start, world):
    world.write("html/sorry", "please sign\n")
    nginx = start(world.http(server="error_page 401 /sorry;"))
    answer = nginx.get("/closed/page", BROWSER)
    assert (answer.status, answer.body) == (401, b"please sign\n")
    assert answer["www-authenticate"] == "IMAGXP"
    assert nginx.get("/closed/page", world.sign("/closed/page")).status == 200


def test_an_error_page_is_no_way_in(start, world):
    # A missing page leads to a closed one, in a server that verifies only there.
    nginx = start(
        world.http(
            mode="off",
            server="error_page 404 = @closed;",
            locations="location @closed { imagxp enforce; try_files /closed/page =404; }",
        )
    )
    assert nginx.get("/closed/nothing", BROWSER).status == 401
    assert nginx.get("/closed/nothing", world.sign("/closed/nothing")).status == 200


@pytest.mark.parametrize(
    "location",
    [
        "try_files /none /page;",
        "rewrite ^ /page break;",
        "error_page 404 = /page; try_files /none =404;",
        "index page; rewrite ^(.*)$ /page;",
    ],
)
def test_internal_redirects_spend_one_nonce(start, world, location):
    nginx = start(world.http(locations=f"location /old {{ {location} }}"))
    headers = world.sign("/old")
    assert nginx.get("/old", headers).body == b"a page\n"
    assert nginx.get("/old", headers).code == "replay.nonce_seen"


def test_an_index_is_an_internal_redirect(start, world):
    nginx = start(world.http())
    assert nginx.get("/", world.sign("/")).body == b"hello\n"


def test_two_sites_judge_one_request_and_its_nonce_is_spent_once(start, world):
    world.write("strict.json", json.dumps({**BASE, "purposes": {"SUMMARY": {"allow": True}}}))
    nginx = start(
        world.http(
            # A variable of the first site is read, and read again for the log after the second has judged.
            locations=f"location /first {{ try_files /none$imagxp_agent /second/x; }} "
            f"location /second {{ imagxp_policy {world.folder}/strict.json; try_files /page =404; }}"
        )
    )
    assert nginx.get("/first", world.sign("/first", purpose="SUMMARY")).body == b"a page\n"
    answer = nginx.get("/first", world.sign("/first"))
    assert (answer.status, answer.code) == (403, "policy.purpose_denied")
    headers = world.sign("/first", purpose="SUMMARY")
    assert [nginx.get("/first", headers).status for _ in range(2)] == [200, 409]


def test_two_sites_of_one_policy_count_a_request_once(start, tmp_path):
    world = World(tmp_path / "rates", {**BASE, "rate": {"requests": 3, "per_s": 3600}})
    nginx = start(world.http(locations=r"location ~ \.html$ { imagxp_audit_log {folder}/audit.jsonl; }"))
    answers = [nginx.get("/", world.sign("/")) for _ in range(4)]
    assert [answer.status for answer in answers] == [200] * 3 + [429]
    assert answers[0].body == b"hello\n"


def test_subrequests_are_not_judged_again(start, world):
    world.write("html/ssi.html", '<!--#include virtual="/page" --><!--#include virtual="/closed/page" -->')
    nginx = start(world.http(location="ssi on;"))
    headers = world.sign("/ssi.html")
    assert nginx.get("/ssi.html", headers).body == b"a page\na closed page\n"


def test_auth_request_after_the_verdict(start, world, upstream):
    nginx = start(
        world.http(
            locations="location /closed/ { auth_request /auth; } "
            f"location = /auth {{ internal; imagxp off; proxy_pass http://127.0.0.1:{upstream}; }}"
        )
    )
    assert nginx.get("/closed/page", world.sign("/closed/page")).status == 200
    assert nginx.get("/closed/page", BROWSER).status == 401


def test_keep_alive_carries_many_requests(start, world):
    nginx = start(world.http())
    connection = http.client.HTTPConnection("127.0.0.1", nginx.port, timeout=30)
    for number in range(20):
        headers = dict(world.sign()) if number % 2 else {}
        connection.request("GET", "/page", headers={"Host": "pub.example", **headers})
        answer = connection.getresponse()
        assert answer.status == (200 if number % 2 else 401)
        answer.read()
    connection.close()


def test_pipelined_requests_are_answered_in_order(start, world):
    nginx = start(world.http())
    lines = "".join(f"{name}: {value}\r\n" for name, value in world.sign())
    requests = (
        f"GET /page HTTP/1.1\r\nHost: a\r\n{lines}\r\nGET /closed/page HTTP/1.1\r\nHost: a\r\n\r\n"
        "GET /robots.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    )
    answer = nginx.raw(requests.encode(), wait=False)
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200", b"401", b"200"]


def test_http2(start, world):
    nginx = start(world.http().replace("listen 127.0.0.1:{port};", "listen 127.0.0.1:{port} http2;"))
    command = [
        "curl",
        "-s",
        "--http2-prior-knowledge",
        "-o",
        "-",
        "-w",
        "\n%{http_code} %{http_version}",
        f"http://127.0.0.1:{nginx.port}/page",
    ]
    for name, value in world.sign():
        command += ["-H", f"{name}: {value}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "a page\n\n200 2"
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert "replay.nonce_seen" in done.stdout
    assert done.stdout.endswith("409 2")


def test_a_vouched_origin_is_the_only_one(start, world, tmp_path):
    two = World(tmp_path / "two", {**BASE, "origins": ["https://pub.example", "https://other.example"]})
    nginx = start(two.http(server="imagxp_origin https://pub.example;"))
    assert nginx.get("/page", two.sign()).status == 200
    assert nginx.get("/page", two.sign(origin="https://other.example")).code == "claim.resource_mismatch"


def test_gzip_and_error_bodies(start, world):
    nginx = start(world.http(server="gzip on; gzip_min_length 1; gzip_types application/json;"))
    answer = nginx.get("/closed/page", [*world.sign("/closed/page", purpose="CRAWL_TRAINING"), ("Accept-Encoding", "gzip")])
    assert answer.status == 403
    assert answer["content-encoding"] is None
    assert answer.code == "policy.purpose_denied"


def test_if_and_maps_see_the_verdict(start, world):
    nginx = start(
        world.http(
            more="map $imagxp_agent $shown { default 'nobody'; ~.+ $imagxp_agent; }", location="add_header x-agent $shown;"
        )
    )
    assert nginx.get("/page", world.sign())["x-agent"] == AGENT
    assert nginx.get("/page", BROWSER)["x-agent"] == "nobody"


def test_feedback_is_told_and_logged(start, world):
    nginx = start(
        world.http(
            server="imagxp_feedback on;",
            more="log_format feedback '$imagxp_feedback_status $imagxp_feedback_score $imagxp_feedback_reason $imagxp_feedback_url';",
            location="access_log {folder}/feedback.log feedback;",
        )
    )
    value = imagxp.feedback_header(imagxp.Feedback("https://pub.example/page", "0.25", "SEO_SPAM").sign(world.agent))
    answer = nginx.get("/page", [*world.sign(), ("x-imagxp-feedback", value)])
    assert answer.status == 200
    assert answer["x-imagxp-feedback-status"] == "accepted"
    answer = nginx.get("/page", [*world.sign(), ("x-imagxp-feedback", value)])
    assert answer.status == 200
    assert answer["x-imagxp-feedback-status"] == "replay.nonce_seen"
    wait_for(lambda: nginx.log("feedback.log")[:1] == ["accepted 0.250000 SEO_SPAM https://pub.example/page"], "the log")
