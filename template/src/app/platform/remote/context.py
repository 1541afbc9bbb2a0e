"""What a call that is answered here hands on to the calls that it makes."""

from contextvars import ContextVar

answering: ContextVar[bool] = ContextVar("answering", default=False)
"""Whether the code runs for a call from another process. Then it tries nothing a second time: its caller
does that, and three attempts at each of five hops were 243."""
