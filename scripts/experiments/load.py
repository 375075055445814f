"""Generates load: processes work intermittently on every CPU, including the measuring one."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from multiprocessing.process import BaseProcess

BUSY_S = (0.2, 2.0)
IDLE_S = (0.1, 1.0)
BUFFER_BYTES = 32 << 20  # more than the size of a core's caches


class Load:
    """Busy processes, one per usable CPU. `stop` ends them by their pids, and ends nothing else."""

    def __init__(self) -> None:
        self._processes: list[BaseProcess] = []

    def switch(self, on: bool) -> None:
        """Starts or stops the load, and lets the machine calm down after a stop."""
        if on and not self._processes:
            context = multiprocessing.get_context("fork")
            for cpu in sorted(os.sched_getaffinity(0)):
                process = context.Process(target=_bursts, args=(cpu, os.getpid()), daemon=True)
                self._processes.append(process)
                process.start()
        elif not on and self._processes:
            self.stop()
            time.sleep(0.3)

    def stop(self) -> None:
        for process in self._processes:
            if process.pid is not None:
                process.kill()
                process.join()
        self._processes.clear()


def _bursts(cpu: int, parent: int) -> None:
    """Computes or copies for a while, then sleeps for a while, until the parent ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this process
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.sched_setaffinity(0, {cpu})
    source, target = bytearray(BUFFER_BYTES), bytearray(BUFFER_BYTES)
    while os.getppid() == parent:
        end = time.monotonic() + random.uniform(*BUSY_S)
        copying = random.random() < 0.5
        while time.monotonic() < end and os.getppid() == parent:
            if copying:
                target[:] = source
            else:
                sum(number * number for number in range(20_000))
        time.sleep(random.uniform(*IDLE_S))
