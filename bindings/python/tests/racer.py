"""One process of a site: verifies, on the word, each request that it is given, and prints the codes.

`racer.py STORE ADDRESS [fork]`; the rest comes as JSON on standard input. With `fork` the work is done in a child, as under
`gunicorn --preload`.
"""

import json
import os
import sys

from imagxp import MemoryReplayStore, Policy, PostgresReplayStore, Publisher, RedisReplayStore

kind, address, *how = sys.argv[1:]
given = json.loads(sys.stdin.readline())
makers = {
    "redis": lambda: RedisReplayStore(address, time_limit=10),
    "postgres": lambda: PostgresReplayStore(address, time_limit=10),
    "memory": MemoryReplayStore,
}
store = makers[kind]()
publisher = Publisher(Policy.from_dict(given["policy"]), secret=bytes.fromhex(given["secret"]), replay_store=store)
publisher.supply(given["manifest_url"], given["manifest"])


def codes(requests: list[list[list[str]]]) -> list[str | None]:
    return [publisher.verify("GET", "/a", headers).verdict.code for headers in requests]


# The store is connected, and its schema made, before anything counts.
first = codes([given["warmup"]])
if how == ["fork"] and (child := os.fork()):
    os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(json.dumps(first), flush=True)
sys.stdin.readline()
print(json.dumps(codes(given["requests"])), flush=True)
