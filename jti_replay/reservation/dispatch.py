"""Send a signal to receivers that decide nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from asgiref.sync import sync_to_async

from .shield import Shield

if TYPE_CHECKING:
    from django.dispatch import Signal

logger = logging.getLogger("jti_replay")


Responses: TypeAlias = Sequence[tuple[Any, Any]]
"""Receivers, and what each of them returned or raised."""


def was_interrupted(receiver: Callable[..., Any], responses: Responses | None) -> bool:
    """
    Return whether a receiver that raises nothing itself may not have come to its end, because
    a signal handler raised an :exc:`Exception`, as a time limit does.
    """
    return responses is None or any(
        each is receiver and isinstance(response, Exception) for each, response in responses
    )


def send(signal: Signal, **arguments: Any) -> Responses | None:
    """
    Send a signal. Django logs receivers that fail; open transactions stay as they were.

    Return what the receivers did, or None if the signal did not reach all of them. Raises only
    what interrupts a receiver, such as :exc:`KeyboardInterrupt`.
    """
    shield = Shield()
    responses: Responses | None = None
    try:
        shield.raise_()
        responses = signal.send_robust(**arguments)
    except Exception:
        # Async receivers cannot run where an event loop runs already: Django raises.
        logger.exception("A signal did not reach all of its receivers.")
    finally:
        try:
            shield.lower()
        except BaseException:
            # A signal handler's. The transaction could not end, not even by a rollback.
            shield.lower()
            raise
    return responses


async def asend(signal: Signal, **arguments: Any) -> None:
    """Async version of :func:`send`."""
    try:
        await _asend_shielded(signal, arguments)
    except Exception:
        logger.exception("A signal did not reach all of its receivers.")


async def _asend_shielded(signal: Signal, arguments: dict[str, Any]) -> None:
    shield = Shield()
    try:
        # The transactions are those of the thread in which Django runs a task's sync code.
        is_raised = await sync_to_async(shield.raise_)()
        await signal.asend_robust(**arguments)
        if is_raised:
            await _lower(shield)
    except BaseException as error:
        if isinstance(error, GeneratorExit):
            shield.lower()  # The event loop is gone: nothing can be awaited any more.
        else:
            await _lower(shield)
        raise


async def _lower(shield: Shield) -> None:
    # A task that is cancelled for the second time must not stop it.
    await asyncio.shield(asyncio.ensure_future(sync_to_async(shield.lower)()))
