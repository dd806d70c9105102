"""The site's own manifest, as it is served to anybody: who checks a receipt and the broker that pays need its key."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

from ._imagxp import Manifest, Rotation

__all__ = ["GivenManifest", "ServedManifest", "current"]

GivenManifest = Manifest | Rotation | Sequence[Manifest | Rotation]
"""A manifest, or the rotation that keeps it; of a site with several hosts one for each."""

_LOG = logging.getLogger("imagxp")


class ServedManifest:
    """The manifests of a site: one for each of its hosts."""

    def __init__(self, given: GivenManifest) -> None:
        sources = [given] if isinstance(given, (Manifest, Rotation)) else list(given)
        if not sources or not all(isinstance(each, (Manifest, Rotation)) for each in sources):
            raise TypeError("manifest is a Manifest or a Rotation, or several")
        self._first = sources[0]
        self._by_agent = {each.agent_id: each for each in reversed(sources)}

    def of(self, host: str) -> Manifest | Rotation:
        """The one of the agent that `Host` names, with a port only where the agent's name has one; the first where it names no other."""
        named = host.lower()
        without_port = re.sub(r":[0-9]*$", "", named)
        return self._by_agent.get(named) or self._by_agent.get(without_port) or self._first


def current(source: Manifest | Rotation) -> Manifest:
    """The manifest that is to be served now."""
    if isinstance(source, Manifest):
        return source
    try:
        source.reload()
    except Exception:
        # What was read last is still the manifest that publishers expect.
        _LOG.exception("the rotation cannot be read again")
    return source.manifest()
