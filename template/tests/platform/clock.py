"""A clock for tests."""


class Clock:
    """Goes on as a test says, however long that takes. Stands for a function or for the module `time`."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    monotonic = perf_counter = __call__
