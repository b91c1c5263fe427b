"""What is sent to the endpoint of each kind: good requests, replays, failures, races."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from .clients import DPoPClient, Person, Request, minted
from .site import Answer, Site
from .transcript import USED, Transcript

AT_ONCE = 8


@dataclass(frozen=True)
class Promise:
    """What a kind answers."""

    kind: str
    accepted: int
    refused: int
    refusal: str


PROMISES = (
    ("bearer", Promise("bearer", 200, 401, "invalid_token")),
    ("client-assertion", Promise("client assertion", 200, 400, "invalid_client")),
    ("jwt-bearer-grant", Promise("JWT bearer grant", 200, 400, "invalid_grant")),
    ("logout-token", Promise("logout token", 200, 400, "invalid_request")),
)
EVENT = Promise("security event", 202, 202, "")
DPOP = Promise("DPoP proof", 200, 401, "invalid_dpop_proof")
LINK = Promise("one-time link", 200, 410, "")


class Visits:
    """The visits of a tour, in order."""

    def __init__(self, site: Site, transcript: Transcript) -> None:
        self.site = site
        self.show = transcript.answer
        self.line = transcript.line
        self.accepted = 0

    def all(self) -> None:
        """Visit each kind."""
        before = self._rows()
        for slug, promise in PROMISES:
            self._visit(promise, minted(slug))
        self._event()
        client = DPoPClient(self.site)
        self._visit(DPOP, client)
        self._link(Person(self.site))
        self._bad_tokens()
        good = self._rows() - before == self.accepted
        text = f"{self.accepted}, one for each request that was accepted"
        self.line("all kinds", "rows that were written", text, good=good)

    def _visit(self, promise: Promise, fresh: Callable[[], Request]) -> None:
        kind, first, second = promise.kind, fresh(), fresh()
        self._accepted(promise, "a new token", first)
        refusal = f"{promise.refusal}: it has been used"
        self.show(kind, "the same again", first.send(self.site), promise.refused, refusal, USED)
        self._rolled_back(promise, second)
        self._race(promise, fresh())

    def _accepted(self, promise: Promise, what: str, request: Request) -> None:
        answer = request.send(self.site)
        self.accepted += 1
        self.show(
            promise.kind, what, answer, promise.accepted, "the view ran, the jti is reserved"
        )

    def _rolled_back(self, promise: Promise, request: Request) -> None:
        answer = request.failing().send(self.site)
        self.show(promise.kind, "its work fails", answer, 500, "rolled back, the jti is free")
        self._accepted(promise, "the same, sent again", request)

    def _race(self, promise: Promise, request: Request) -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(lambda _: request.send(self.site), range(AT_ONCE)))
        won = self._count(answers, promise.accepted)
        lost = self._count(answers, promise.refused)
        text = f"{won} x {promise.accepted}, {lost} x {promise.refused}: one wins"
        good = (won, lost) == (1, AT_ONCE - 1)
        self.accepted += 1
        self.line(promise.kind, f"{AT_ONCE} requests at once", text, good=good)

    def _bad_tokens(self) -> None:
        good = minted("bearer")()
        unsigned = good.token.rpartition(".")[0] + "."
        cut = replace(good, headers={"Authorization": f"Bearer {unsigned}"})
        answer = cut.send(self.site)
        self.show("bearer", "with its signature cut", answer, 401, "nothing is reserved")
        answer = replace(good, headers={}).send(self.site)
        self.show("bearer", "no token", answer, 401, "the challenge alone", "No token")

    def _event(self) -> None:
        request, other = minted("security-event")(), minted("security-event")()
        self._accepted(EVENT, "a new event", request)
        answer = request.send(self.site)
        self.show(
            EVENT.kind, "the same again", answer, 202, "a duplicate: the view did not run"
        )
        self._rolled_back(EVENT, other)

    def _link(self, person: Person) -> None:
        page, other = person.page(), person.page()
        opened = "the page with a form, nothing is used up"
        self.show(LINK.kind, "a mail scanner's GET", page.send(self.site), 200, opened)
        form = person.form(page)
        self._accepted(LINK, "the form is sent", form)
        answer = form.send(self.site)
        self.show(LINK.kind, "the form is sent again", answer, 410, "refused: it has been used")
        self._rolled_back(LINK, person.form(other))

    def _rows(self) -> int:
        return len(self.site.send("GET", "/audit").body["rows"])

    @staticmethod
    def _count(answers: list[Answer], status: int) -> int:
        return [answer.status for answer in answers].count(status)
