"""The way into the site without HTTP: a call of the decorated view, in the client's process."""

from __future__ import annotations

from . import worker_notes
from .shared_state import UNCOMMITTED
from .transport import BITS, Answer, Reply, judged


class DirectTransport:
    """Straight to the view of the example project, in this process and on its database."""

    def __init__(self) -> None:
        from exchange.views import exchange

        self._view = exchange

    def send(self, token: str, *, fail: bool) -> Reply:
        from django.db import Error, close_old_connections
        from django.http import HttpRequest, QueryDict
        from exchange.views import WorkFailed

        request = HttpRequest()
        request.method = "POST"
        request.META["HTTP_AUTHORIZATION"] = f"Bearer {token}"
        request.POST = QueryDict("fail=1" if fail else "")
        worker_notes.take()
        try:
            response = self._view(request)
        except WorkFailed:
            return Reply(Answer.FAILED, BITS[worker_notes.take()])
        except Error:
            return Reply(Answer.FAILED, BITS[worker_notes.take()] | UNCOMMITTED)
        finally:
            close_old_connections()  # As Django does at the end of each request.
        answer = judged(response.status_code, response.content)
        return Reply(answer, BITS[worker_notes.take()], response.status_code == 503)
