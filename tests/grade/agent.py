"""Reads one URL with httpx, as a crawler does. AGENT and KEY are in the environment."""

import os
import sys

import httpx
from imagxp import Identity
from imagxp.httpx import ImagxpAuth

identity = Identity.load(os.environ["AGENT"], os.environ["KEY"], allow_loopback=True)
with httpx.Client(auth=ImagxpAuth(identity, "RAG_RETRIEVAL", allow_loopback=True), follow_redirects=True) as client:
    client.get(sys.argv[1])
