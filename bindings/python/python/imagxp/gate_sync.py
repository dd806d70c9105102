"""The gate for servers with threads: WSGI, synchronous Django, Flask."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Final

from .gate import Admission, Answer, AskBroker, Call, ClientGone, Fetch, Gate, Incoming, ReadBody, Step, supply
from .redemption import WAITING_FOR_BROKERS, Turns

__all__ = ["BlockingGate", "is_asynchronous"]

# The threads are the server's, which may have no more than eight.
_REDEEMING: Final = 4
_FETCHING: Final = 4
_WAITING_FOR_DOCUMENTS: Final = "nothing is fetched for a request: %d wait for documents already"


class BlockingGate:
    """Does what a [`Gate`] says, in the thread that asks."""

    def __init__(self, gate: Gate) -> None:
        for name, callback in (("redeem", gate.redeem), ("on_feedback", gate.on_feedback)):
            if callback is not None and is_asynchronous(callback):
                raise TypeError(f"an asynchronous {name} needs an asynchronous server")
        self.gate = gate
        self._flights = _Flights()
        self._turns = Turns(gate.max_redeeming or _REDEEMING, WAITING_FOR_BROKERS)
        # Strangers choose whose manifest is fetched, and how slowly it comes: key sets, which known agents need, have turns of their own.
        most = gate.max_fetching or _FETCHING
        self._fetching = {kind: Turns(most, _WAITING_FOR_DOCUMENTS) for kind in ("manifest", "jwks")}

    def announce(self, request: Incoming) -> Answer | None:
        """What anybody gets: see [`Gate.announce`]."""
        answer: Answer | None = self._run(self.gate.announce(request), request, _no_body)
        return answer

    def admit(
        self, request: Incoming, read_body: Callable[[int], bytes | None], purposes: Sequence[str] = ()
    ) -> Answer | Admission:
        """What becomes of one request; `read_body` raises [`ClientGone`] when there is nobody to answer."""
        outcome: Answer | Admission = self._run(self.gate.admit(request, purposes), request, read_body)
        return outcome

    def _run(self, flow: Any, request: Incoming, read_body: Callable[[int], bytes | None]) -> Any:
        try:
            step: Step = next(flow)
            while True:
                try:
                    reply = self._do(step, read_body)
                except Exception as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(reply)
        except StopIteration as end:
            return end.value
        except ClientGone:
            raise
        except Exception:
            return Answer.fault(request.method)

    def _do(self, step: Step, read_body: Callable[[int], bytes | None]) -> Any:
        if isinstance(step, Call):
            return step.act()
        if isinstance(step, Fetch):
            return self._fetch(step)
        if isinstance(step, AskBroker):
            return self._ask(step)
        if isinstance(step, ReadBody):
            return read_body(step.limit)
        return step.on_feedback(step.feedback, step.verdict)

    def _fetch(self, step: Fetch) -> None:
        # Whoever waits for another's fetch holds a thread, too.
        turns = self._fetching[step.need.kind]
        if not turns.take():
            self.gate.publisher.supply_failure(step.need.url, "busy")
            return
        try:
            self._flights.run(step.need.url, lambda: supply(self.gate, step.need))
        finally:
            turns.give_back()

    def _ask(self, step: AskBroker) -> Any:
        if not self._turns.take():
            return "unavailable"
        try:
            return step.ask()
        finally:
            self._turns.give_back()


class _Flights:
    """Runs one call per key at a time; whoever asks meanwhile waits for that one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[str, Future[None]] = {}

    def run(self, key: str, call: Callable[[], None]) -> None:
        with self._lock:
            running = self._running.get(key)
            mine = running is None
            if running is None:
                running = self._running[key] = Future()
        if not mine:
            running.result()
            return
        try:
            call()
        finally:
            # Whoever waited looks at the publisher, which knows how it ended.
            with self._lock:
                del self._running[key]
            running.set_result(None)


def is_asynchronous(callback: Any) -> bool:
    """Whether calling it gives something to await."""
    return inspect.iscoroutinefunction(callback) or inspect.iscoroutinefunction(type(callback).__call__)


def _no_body(_limit: int) -> bytes | None:
    return None
