"""The way into the site without HTTP: a call of the decorated view, in the client's process."""

from __future__ import annotations

import time
from typing import Any

from . import setups, worker_notes
from .interruptions import LIMITS, Interruption, is_at_commit
from .shared_state import INTERRUPTED, UNCOMMITTED
from .transport import BITS, WAIT, Asked, Reply, judged


class DirectTransport:
    """Straight to the view, in this process and on its database."""

    def __init__(self, fault: str) -> None:
        if fault in setups.REQUEST_FAULTS:
            from . import misbehaviours, views

            misbehaviours.install(fault)
            self._view = views.exchange
        else:
            from exchange.views.bearer import exchange

            self._view = exchange
        worker_notes.listen()
        is_interrupted = fault == setups.REQUESTS_INTERRUPTED
        self._interruption = Interruption() if is_interrupted else None

    def send(self, token: str, asked: Asked) -> Reply:
        from django.db import Error, close_old_connections
        from django.http import HttpRequest, QueryDict
        from exchange.work import WorkFailed

        request: Any = HttpRequest()
        request.method = "POST"
        request.META["HTTP_AUTHORIZATION"] = f"Bearer {token}"
        request.POST = QueryDict(asked.form)
        worker_notes.take()
        begun = time.monotonic()
        status, content, bits = 500, b"", 0
        try:
            if asked.misbehave and self._interruption is not None:
                response = self._interruption.call(lambda: self._view(request))
            else:
                response = self._view(request)
            status, content = response.status_code, response.content
        except WorkFailed:
            pass
        except (Error, *LIMITS) as error:
            has_reserved = hasattr(request, "jti_reservation")
            if self._interruption is None or (has_reserved and is_at_commit(error)):
                bits = UNCOMMITTED
        if self._interruption is not None and self._interruption.take():
            request.misbehaved = True
            bits |= INTERRUPTED
            _drop_connection()
        close_old_connections()  # As Django does at the end of each request.
        return Reply(
            judged(status, content),
            BITS[worker_notes.take()] | bits,
            status == 503,
            misbehaved=getattr(request, "misbehaved", False),
            hung=time.monotonic() - begun - asked.wait >= WAIT,
        )


def _drop_connection() -> None:
    """Let a connection go whose state an interruption may have left half changed."""
    from django.db import connections

    connections["default"].close()
    del connections["default"]
