"""What `nginx -t` says: every directive where it is allowed, inherited, and wrong."""

import json

import imagxp
import pytest
from instance import Nginx
from world import AGENT, BASE, World

TOML = 'version = 1\norigins = ["https://pub.example"]\nunsigned = "allow"\n[purposes.SUMMARY]\n'


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("config"))
    world.write("policy.toml", TOML)
    world.write("bad.json", '{\n "version": 1,\n "origins": ["https://pub.example"],\n "modes": "x"\n}')
    world.write("syntax.json", '{\n "version": 1,\n\n oops }')
    world.write("bad.toml", 'version = 1\norigins = ["https://pub.example"]\n\nunsigned = "sometimes"\n')
    world.write("syntax.toml", "version = 1\norigins = [\n")
    world.write("loopback.json", json.dumps({**BASE, "origins": ["http://127.0.0.1"], "allow_loopback": True}))
    world.write("human.json", json.dumps({**BASE, "provenance": {"origin": "HUMAN"}}))
    world.write("key.pem", imagxp.PrivateKey.generate().to_pem())
    world.write("huge.json", " " * 300_000)
    return world


def http(world, inside, before="", top="imagxp_zone z 1m;"):
    return f"{top} {before} server {{ listen 127.0.0.1:{{port}}; root {world.folder}/html; {inside} }}".replace("@", str(world.folder))


GOOD = [
    ("JSON", "imagxp enforce; imagxp_policy @/policy.json;", ""),
    ("TOML", "imagxp enforce; imagxp_policy @/policy.toml;", ""),
    ("observe", "imagxp observe; imagxp_policy @/policy.json;", ""),
    ("off needs nothing", "imagxp off;", ""),
    ("inherited from http", "imagxp enforce;", "imagxp_policy @/policy.json;"),
    ("everything in http", "", "imagxp enforce; imagxp_policy @/policy.json; imagxp_origin https://pub.example;"),
    ("in a location", "location / { imagxp enforce; imagxp_policy @/policy.json; }", ""),
    ("in an if", "imagxp_policy @/policy.json; location / { if ($arg_x) { imagxp enforce; } }", ""),
    ("in limit_except", "imagxp_policy @/policy.json; imagxp enforce; location / { limit_except GET { deny all; } }", ""),
    ("a location that is off", "imagxp enforce; imagxp_policy @/policy.json; location /a { imagxp off; }", ""),
    ("two policies", "imagxp enforce; imagxp_policy @/policy.json; location /a { imagxp_policy @/policy.toml; }", ""),
    ("an origin", "imagxp enforce; imagxp_policy @/policy.json; imagxp_origin https://pub.example;", ""),
    ("a manifest", f"imagxp enforce; imagxp_policy @/policy.json; imagxp_manifest_file {AGENT} @/manifest.json;", ""),
    ("requests", "imagxp enforce; imagxp_policy @/policy.json; imagxp_manifest_request /imagxp-fetch; imagxp_jwks_request /imagxp-fetch; "
     "include {snippets}/imagxp-fetch.conf;", ""),
    ("timeouts", "imagxp enforce; imagxp_policy @/policy.json; imagxp_manifest_timeout 500ms; imagxp_jwks_timeout 2s;", ""),
    ("an audit log", "imagxp enforce; imagxp_policy @/policy.json; imagxp_audit_log {folder}/audit.jsonl;", ""),
    ("no audit log", "imagxp enforce; imagxp_policy @/policy.json; imagxp_audit_log off;", ""),
    ("receipts", "imagxp enforce; imagxp_policy @/human.json; imagxp_provenance_key @/key.pem; imagxp_provenance_buffer 8k;", ""),
    ("statuses", "imagxp enforce; imagxp_policy @/policy.json; imagxp_status_payment 403; imagxp_status_unsigned 403; "
     "imagxp_status_rate 503; imagxp_status_undecided 502;", ""),
    ("switches", "imagxp enforce; imagxp_policy @/policy.json; imagxp_strip_headers off; imagxp_feedback on;", ""),
    ("status of the zone", "location /zone { imagxp_zone_status; }", ""),
    ("loopback on loopback", "imagxp enforce; imagxp_policy @/loopback.json;", ""),
    ("headers for an upstream", "location / { proxy_pass http://127.0.0.1:1; include {snippets}/imagxp-proxy.conf; }", ""),
]

BAD = [
    ("no zone", "imagxp enforce; imagxp_policy @/policy.json;", "", "", '"imagxp" needs "imagxp_zone"'),
    ("no policy", "imagxp enforce;", "", None, '"imagxp" needs "imagxp_policy"'),
    ("another mode", "imagxp maybe;", "", None, "invalid value \"maybe\""),
    ("no such file", "imagxp_policy @/none.json;", "", None, "none.json\" failed (2: No such file"),
    ("a folder", "imagxp_policy @/html;", "", None, "is no file of at most"),
    ("a file that is too large", "imagxp_policy @/huge.json;", "", None, "is no file of at most"),
    ("an unknown member", "imagxp_policy @/bad.json;", "", None, "bad.json\": line 4:"),
    ("JSON that is none", "imagxp_policy @/syntax.json;", "", None, "syntax.json\": line 4:"),
    ("TOML with a wrong value", "imagxp_policy @/bad.toml;", "", None, "bad.toml\": line 4:"),
    ("TOML that is none", "imagxp_policy @/syntax.toml;", "", None, "syntax.toml\": line"),
    ("a policy twice", "imagxp_policy @/policy.json; imagxp_policy @/policy.json;", "", None, '"imagxp_policy" directive is duplicate'),
    ("a zone twice", "", "imagxp_zone y 1m;", None, "all sites share one zone"),
    ("a zone in a server", "imagxp_zone y 1m;", "", None, "is not allowed here"),
    ("a small zone", "", "", "imagxp_zone z 4k;", "invalid size \"4k\""),
    ("a zone that is no size", "", "", "imagxp_zone z many;", "invalid size \"many\""),
    ("another origin", "imagxp enforce; imagxp_policy @/policy.json; imagxp_origin https://evil.example;", "", None, "none of the origins"),
    ("a manifest of another", "imagxp enforce; imagxp_policy @/policy.json; imagxp_manifest_file a.example @/manifest.json;", "", None, "is not acceptable"),
    ("a manifest of nobody", "imagxp_manifest_file 10.0.0.1 @/manifest.json;", "", None, "is no agent's domain"),
    ("a key set of nobody", "imagxp enforce; imagxp_policy @/policy.json; imagxp_jwks_file https://b.example/j @/manifest.json;", "", None, "is not acceptable"),
    ("receipts without an origin", "imagxp enforce; imagxp_policy @/policy.json; imagxp_provenance_key @/key.pem;", "", None, "provenance.origin"),
    ("a key that is none", "imagxp_provenance_key @/policy.json;", "", None, "imagxp_provenance_key"),
    ("a status that is none", "imagxp_status_payment 200;", "", None, "value must be between 400 and 599"),
    ("loopback in public", "imagxp enforce; imagxp_policy @/loopback.json; listen 0.0.0.0:{port2};", "", None, "allow_loopback, which is for development"),
    ("status without a zone", "location /zone { imagxp_zone_status; }", "", "", 'needs "imagxp_zone" before it'),
]


@pytest.mark.parametrize(("name", "inside", "before"), GOOD, ids=[case[0] for case in GOOD])
def test_accepts(world, tmp_path, name, inside, before):
    good, said = Nginx(tmp_path, http(world, inside, before)).check()
    assert good, said


@pytest.mark.parametrize(("name", "inside", "before", "top", "says"), BAD, ids=[case[0] for case in BAD])
def test_refuses(world, tmp_path, name, inside, before, top, says):
    inside = inside.replace("{port2}", "18999")
    text = http(world, inside, before, "imagxp_zone z 1m;" if top is None else top)
    good, said = Nginx(tmp_path, text).check()
    assert not good and says in said, said
    # The place in nginx's own file, where there is one.
    assert "nginx.conf:" in said or says.startswith("allow_loopback")


def test_remarks_are_warnings(world, tmp_path):
    _, said = Nginx(tmp_path, http(world, "imagxp enforce; imagxp_policy @/policy.json;")).check()
    assert "[warn]" in said and "a browser can be imitated" in said
