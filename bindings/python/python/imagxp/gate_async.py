"""The gate for servers with an event loop: ASGI, asynchronous Django, FastAPI."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from .gate import Admission, Answer, AskBroker, Call, ClientGone, Fetch, Gate, Incoming, ReadBody, Step, TakeFeedback, supply
from .gate_sync import is_asynchronous
from .redemption import WAITING_FOR_BROKERS, Turns

__all__ = ["AsyncGate"]

# More than the fetcher's own 32: whoever comes after those is told at once that it is busy, and waits in no queue.
_THREADS: Final = 40
# As many as one client's fetcher sends at a time.
_REDEEMING: Final = 32

ReadBodyAsync = Callable[[int], Awaitable[bytes | None]]


class AsyncGate:
    """Does what a [`Gate`] says. What waits is done in threads, so that the event loop goes on.

    `around` wraps what calls the site's own code there, for frameworks that keep something for each thread.
    """

    def __init__(self, gate: Gate, around: Callable[[Callable[..., Any]], Callable[..., Any]] = lambda call: call) -> None:
        self.gate = gate
        self._around = around
        self._threads: ThreadPoolExecutor | None = None
        self._brokers: ThreadPoolExecutor | None = None
        self._most = gate.max_redeeming or _REDEEMING
        self._turns = Turns(self._most, WAITING_FOR_BROKERS)
        self._flights = _Flights()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def announce(self, request: Incoming) -> Answer | None:
        """What anybody gets: see [`Gate.announce`]."""
        answer: Answer | None = await self._run(self.gate.announce(request), request, _no_body)
        return answer

    async def admit(self, request: Incoming, read_body: ReadBodyAsync, purposes: Sequence[str] = ()) -> Answer | Admission:
        """What becomes of one request; `read_body` raises [`ClientGone`] when there is nobody to answer."""
        outcome: Answer | Admission = await self._run(self.gate.admit(request, purposes), request, read_body)
        return outcome

    async def judge(self, request: Incoming) -> Any:
        """The verdict alone, or the [`Answer`] that tells of a failure."""
        return await self._run(self.gate.judge(request), request, _no_body)

    async def aclose(self) -> None:
        """Ends fetches that run."""
        await self._flights.cancel()
        pools, self._threads, self._brokers = (self._threads, self._brokers), None, None
        for threads in pools:
            if threads is not None:
                # What runs there ends by its own deadline.
                threads.shutdown(wait=False)

    async def _run(self, flow: Any, request: Incoming, read_body: ReadBodyAsync) -> Any:
        try:
            step: Step = next(flow)
            while True:
                try:
                    reply = await self._do(step, read_body)
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

    async def _do(self, step: Step, read_body: ReadBodyAsync) -> Any:
        if isinstance(step, Call):
            return await asyncio.to_thread(self._around(step.act)) if step.waits else step.act()
        if isinstance(step, Fetch):
            return await self._fetch(step)
        if isinstance(step, AskBroker):
            return await self._ask(step)
        if isinstance(step, ReadBody):
            return await read_body(step.limit)
        assert isinstance(step, TakeFeedback)  # noqa: S101 (for the type checker: there is no other step)
        return await self._called(step.on_feedback, step.feedback, step.verdict)

    async def _ask(self, step: AskBroker) -> Any:
        if is_asynchronous(step.redeem):
            # It takes no thread.
            return await step.ask()  # type: ignore[misc]
        if not self._turns.take():
            return "unavailable"
        try:
            if self._brokers is None:
                # The loop's own threads are for everybody: a broker that stalls must not have them.
                self._brokers = ThreadPoolExecutor(self._most, thread_name_prefix="imagxp-broker")
            asked = self._brokers.submit(self._around(step.ask))
        except BaseException:
            self._turns.give_back()
            raise
        # Whoever has waited may be gone before the thread is free again.
        asked.add_done_callback(lambda _: self._turns.give_back())
        answer = await asyncio.wrap_future(asked)
        return await answer if inspect.isawaitable(answer) else answer

    async def _called(self, callback: Callable[..., Any], *arguments: Any) -> Any:
        """Calls a coroutine function in the loop, any other in a thread."""
        if is_asynchronous(callback):
            return await callback(*arguments)
        result = await asyncio.to_thread(self._around(callback), *arguments)
        return await result if inspect.isawaitable(result) else result

    async def _fetch(self, step: Fetch) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            # Tasks belong to the loop that made them; a test may run several after another.
            self._loop = loop
            self._flights = _Flights()

        async def fetch() -> None:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="imagxp")
            await loop.run_in_executor(self._threads, supply, self.gate, step.need)

        await self._flights.run(step.need.url, fetch)


class _Flights:
    """Runs one call per key at a time; whoever asks meanwhile waits for that one, and takes no thread."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def run(self, key: str, call: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Waits for `call`, or for the one that is running for this key. A waiter that is cancelled leaves it running."""
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.create_task(call())
            self._tasks[key] = task
            task.add_done_callback(lambda done: self._finished(key, done))
        await asyncio.shield(task)

    def _finished(self, key: str, task: asyncio.Task[None]) -> None:
        del self._tasks[key]
        if not task.cancelled():
            # Marks the exception as seen: every waiter may have gone away.
            task.exception()

    async def cancel(self) -> None:
        """Ends what is running."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _no_body(_limit: int) -> bytes | None:
    return None
