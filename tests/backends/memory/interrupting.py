"""
Calls that are interrupted where Python lets a signal handler run: after a call, where a
function starts and where a loop goes back. A trace function does it, so that each place is
reached, one after the other.
"""

from __future__ import annotations

import dis
import inspect
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

PACKAGE = "jti_replay"

GENERATORS = inspect.CO_GENERATOR | inspect.CO_COROUTINE


class Interruption(Exception):
    """What a signal handler raises, as Celery's SoftTimeLimitExceeded: no BaseException."""


def strike() -> NoReturn:
    """Interrupt."""
    raise Interruption


class Interrupter:
    """
    Runs a function, and calls ``strike`` at one of the places where it can be interrupted.

    ``everywhere`` takes each instruction for such a place. :attr:`has_struck` tells whether
    the place was reached.
    """

    def __init__(
        self, place: int, strike: Callable[[], None], *, everywhere: bool = False
    ) -> None:
        self._places_left = place
        self._strike = strike
        self._everywhere = everywhere
        self._before: dict[FrameType, str] = {}
        self.has_struck = False

    def run_with(self, function: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
        """Return what the function returns for some arguments."""
        return self.run(lambda: function(*arguments, **more))

    def run(self, function: Callable[[], Any]) -> Any:
        """Return what the function returns."""
        before = sys.gettrace()
        sys._getframe().f_trace_opcodes = True  # Python 3.12 must have seen it by then.
        sys.settrace(self._trace)
        try:
            return function()
        finally:
            sys.settrace(before)

    def _trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        caller = frame.f_back
        if (
            event == "call"
            and caller
            and not frame.f_code.co_flags & GENERATORS
            and self._before.get(caller) in ("CALL", "CALL_KW")
        ):
            # Python does not look for signals when a function in Python returns to another.
            self._before[caller] = ""
        if f"/{PACKAGE}/" not in frame.f_code.co_filename or self.has_struck:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            name = dis.opname[frame.f_code.co_code[frame.f_lasti]]
            argument = frame.f_code.co_code[frame.f_lasti + 1]
            before = self._before.get(frame, "")
            self._before[frame] = name
            if self._everywhere or is_interruptible(before, name, argument):
                self._places_left -= 1
                if self._places_left < 0:
                    self.has_struck = True
                    self._strike()
        return self._trace


AFTER_YIELD_FROM = 2
"""The argument of a RESUME from which on Python does not look for signals in it."""


def is_interruptible(before: str, name: str, argument: int) -> bool:
    """Return whether Python looks for signals between two instructions, or in the second."""
    if name == "RESUME" and argument & 3 >= AFTER_YIELD_FROM:
        return False
    if name == "PUSH_EXC_INFO":
        return False  # A call has raised.
    return before.startswith("CALL") or name == "RESUME" or name == "JUMP_BACKWARD"


def each_place(work: Callable[[Interrupter], None], strike: Callable[[], None]) -> int:
    """
    Do some work again and again, each time with another place to strike at, until there are
    no more. Return how many there were.
    """
    place = 0
    while True:
        interrupter = Interrupter(place, strike)
        work(interrupter)
        if not interrupter.has_struck:
            return place
        place += 1
