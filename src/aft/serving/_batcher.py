"""Dynamic batching: inputs of requests that arrive together are computed together."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aft.errors import AftError
from aft.serving._limits import Limits

Predict = Callable[[Sequence[Any]], list[Any]]


class QueueFullError(AftError):
    """More inputs are waiting than the server allows."""


class Batcher:
    """Collects inputs into batches, and computes one batch at a time in a thread of its own.

    While a batch is computed the next one fills, so that batches grow with the load and a single input hardly waits.

    Args:
        predict: Maps inputs to their predictions.
        limits: The size of a batch, the wait for it and the length of the queue.
        measured: Called with the size of each batch.
    """

    def __init__(self, predict: Predict, limits: Limits, measured: Callable[[int], None] = lambda _: None) -> None:
        self._predict, self._limits, self._measured = predict, limits, measured
        self._waiting: deque[tuple[Any, asyncio.Future[Any]]] = deque()
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="aft-predict")
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    @property
    def waiting(self) -> int:
        """Number of inputs that wait."""
        return len(self._waiting)

    def start(self) -> None:
        """Start to compute. Call it in the event loop."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Compute what has been accepted, and end."""
        self._closing = True
        self._arrived.set()
        if self._task is not None:
            await self._task
        self._thread.shutdown()

    async def submit(self, inputs: Sequence[Any]) -> list[Any]:
        """Compute predictions.

        Args:
            inputs: The inputs of a request, checked.

        Returns:
            Their predictions.

        Raises:
            QueueFullError: Too many inputs are waiting, or the server stops. None of these has been accepted.
        """
        if self._closing or len(self._waiting) + len(inputs) > self._limits.queue:
            raise QueueFullError(
                f"a server accepts as many inputs as its queue holds, {self._limits.queue}; {len(self._waiting)} are waiting and "
                f"{len(inputs)} were received; send them again later"
            )
        loop = asyncio.get_running_loop()
        answers: list[asyncio.Future[Any]] = [loop.create_future() for _ in inputs]
        self._waiting.extend(zip(inputs, answers, strict=True))
        self._arrived.set()
        return list(await asyncio.gather(*answers))

    async def _run(self) -> None:
        while True:
            if not self._waiting:
                if self._closing:
                    return
                self._arrived.clear()
                await self._arrived.wait()
                continue
            if len(self._waiting) < self._limits.batch and not self._closing:
                await asyncio.sleep(self._limits.wait_ms / 1000)
            await self._compute([self._waiting.popleft() for _ in range(min(self._limits.batch, len(self._waiting)))])

    async def _compute(self, batch: list[tuple[Any, asyncio.Future[Any]]]) -> None:
        wanted = [(value, answer) for value, answer in batch if not answer.done()]  # others have been given up
        if not wanted:
            return
        self._measured(len(wanted))
        try:
            loop = asyncio.get_running_loop()
            found = await loop.run_in_executor(self._thread, self._predict, [value for value, _ in wanted])
        except Exception as error:
            # Whatever it is, it belongs to one of the inputs, and not to the others or to the server.
            if len(wanted) == 1:
                if not wanted[0][1].done():
                    wanted[0][1].set_exception(error)
                return
            for one in wanted:
                await self._compute([one])
            return
        for (_, answer), prediction in zip(wanted, found, strict=True):
            if not answer.done():
                answer.set_result(prediction)
