"""The agents, policies and documents that the tests use; all made anew, nothing secret in the repository."""

import json
import uuid

import imagxp

ORIGIN = "https://pub.example"
AGENT = "bot.example.com"
BASE = {
    "version": 1,
    "origins": [ORIGIN],
    "unsigned": "browsers",
    "purposes": {"RAG_RETRIEVAL": {"allow": True}, "SUMMARY": {"allow": True}, "CRAWL_TRAINING": {"allow": False}},
    "paths": [{"match": "/closed/*", "unsigned": "deny"}],
}
BROWSER = [
    ("User-Agent", "Mozilla/5.0"),
    ("Accept-Language", "en"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-Site", "none"),
    ("Sec-Fetch-Dest", "document"),
    ("Accept", "text/html"),
]


class World:
    """A folder with a policy, a site and an agent whose manifest is given as a file."""

    def __init__(self, folder, policy=None):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.agent = imagxp.Identity.generate(AGENT)
        self.stranger = imagxp.Identity.generate("stranger.example")
        self.write("policy.json", json.dumps(policy or BASE))
        self.write("manifest.json", self.agent.manifest().to_json())
        (folder / "html").mkdir(exist_ok=True)
        for name, text in (
            ("index.html", "hello\n"),
            ("page", "a page\n"),
            ("closed/page", "a closed page\n"),
            ("robots.txt", "User-agent: *\nAllow: /\n"),
            ("large", "0123456789abcdef\n" * 20000),
        ):
            self.write(f"html/{name}", text)

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def sign(self, path="/page", *, purpose="RAG_RETRIEVAL", method="GET", agent=None, origin=ORIGIN, **more):
        """The headers of a fresh signed request."""
        signed = (agent or self.agent).sign(method, origin + path, purpose, **more)
        return [("User-Agent", "test IMAGXP/1.0"), *((name, value) for name, value in signed)]

    def http(self, *, mode="enforce", zone="1m", more="", server="", location="", locations=""):
        """The inside of an http block: one server on {port}, files from html. Nothing is too late by seconds, unless a test says so."""
        return f"""
    imagxp_manifest_timeout 30s;
    imagxp_jwks_timeout 30s;
    imagxp_zone test {zone};
    imagxp_policy {self.folder}/policy.json;
    imagxp_manifest_file {AGENT} {self.folder}/manifest.json;
    {more}
    server {{
        listen 127.0.0.1:{{port}};
        server_name pub.example;
        root {self.folder}/html;
        access_log {{folder}}/access.log verdict;
        imagxp {mode};
        {server}
        location / {{
            {location}
        }}
        {locations}
    }}
"""


def nonce():
    return str(uuid.uuid4())
