"""What must hold of every installation: sign, verify, refuse a replay, and go on after a panic. No package but `imagxp` is needed."""

from __future__ import annotations

import imagxp
import imagxp.asgi
import imagxp.wsgi
from imagxp import Identity, Policy, Publisher, _imagxp

ORIGIN = "https://pub.example"
agent = Identity.generate("bot.example.com")
publisher = Publisher(Policy.from_dict({"version": 1, "origins": [ORIGIN], "purposes": {"SUMMARY": {}}}))
publisher.supply(imagxp.manifest_url(agent.agent_id), agent.manifest().to_json())
headers = agent.sign("GET", ORIGIN + "/a", "SUMMARY")
codes = [publisher.verify("GET", "/a", headers).verdict.code for _ in range(2)]
if codes != [None, "replay.nonce_seen"]:
    raise SystemExit(f"verdicts are wrong: {codes}")
try:
    _imagxp._panic()
except imagxp.InternalError as error:
    print(f"imagxp {imagxp.__version__} from {imagxp.__file__}: signs and verifies; {error.code} is an exception")
else:
    raise SystemExit("a panic is no exception")
