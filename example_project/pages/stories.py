"""What each page shows: a kind of token, the steps to try, and what the answers mean."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType

from exchange.views import (
    bearer,
    client_assertion,
    dpop,
    jwt_bearer_grant,
    link,
    logout_token,
    security_event,
)

ACCEPTED = "The view ran, and its work is committed. The token is used up."
FAILED = "The work failed: its transaction rolled back, and the jti was released."


@dataclass(frozen=True)
class Step:
    """A button: what the script does, its label, and what to expect."""

    action: str
    label: str
    expect: str


MINT = Step("mint", "Mint a token", "It is signed and decoded. Nothing is reserved yet.")
SEND = Step("send", "Send it", "The token verifies, the jti is reserved, and the view runs.")
FAIL = Step("fail", "Send a new one whose work fails", "The view raises. Its jti comes back.")
RETRY = Step(
    "send", "Send that one again", "It is accepted, because nothing came of it before."
)
RACE = Step("race", "Send a new one eight times at once", "One request wins, in any order.")


def again(expect: str) -> Step:
    """Return the step that sends a token for the second time."""
    return Step("send", "Send it again", expect)


def steps(refused: str) -> tuple[Step, ...]:
    """Return the steps of most kinds."""
    return (MINT, SEND, again(refused), FAIL, RETRY, RACE)


@dataclass(frozen=True)
class Story:
    """A page about a kind of token."""

    slug: str
    name: str
    purpose: str
    standard: str
    profile: str
    view: ModuleType
    steps: tuple[Step, ...]
    answers: Mapping[int, str] = field(default_factory=dict)

    @property
    def code(self) -> str:
        """The source of the view."""
        return inspect.getsource(self.view)


STORIES = (
    Story(
        slug="bearer",
        name="Bearer token",
        purpose="A CI job exchanges its OIDC token for a credential, once.",
        standard="RFC 6750, RFC 7519",
        profile="default",
        view=bearer,
        steps=steps("It is refused with 401: it has been used."),
        answers={200: ACCEPTED, 401: "Refused. The view did not run.", 500: FAILED},
    ),
    Story(
        slug="link",
        name="One-time link",
        purpose="An invitation in a mail works once, and survives the scanner of the mail.",
        standard="jti_replay.links",
        profile="invitation",
        view=link,
        steps=(
            Step("mint", "Make a link", "Its token is signed with a key from SECRET_KEY."),
            Step(
                "scan", "Let a mail scanner fetch it", "A GET shows the page, uses nothing up."
            ),
            Step(
                "send", "Accept the invitation", "A POST reserves the jti, and the view runs."
            ),
            again("It is refused with 410: the link has been used."),
            Step("fail", "Accept a new one, and let the work fail", "Its jti comes back."),
            Step("send", "Accept that one again", "The link still works."),
            Step(
                "race",
                "Accept a new one eight times at once",
                "One request wins, in any order.",
            ),
        ),
        answers={
            200: "The view ran. After a GET nothing is reserved, after a POST the jti is.",
            410: "Refused: the link has been used. The view did not run.",
            500: "The work failed: jti and work were rolled back together.",
        },
    ),
    Story(
        slug="dpop",
        name="DPoP proof",
        purpose="An access token is of no use without the key of its client.",
        standard="RFC 9449",
        profile="dpop",
        view=dpop,
        steps=(
            Step("mint", "Make a key and a proof", "WebCrypto signs, here in the browser."),
            Step("send", "Send the proof", "Key, request and access token belong together."),
            Step("send", "Replay the proof", "It is refused with 401: it has been used."),
            Step("renew", "Send a new proof", "The access token is reusable, a proof is not."),
            Step(
                "fail", "Send a proof whose work fails", "The view raises. Its jti comes back."
            ),
            Step("send", "Send that proof again", "It is accepted."),
            Step("race", "Send a proof eight times at once", "One request wins, in any order."),
        ),
        answers={
            200: "The view ran. The proof is used up, the access token is not.",
            401: "Refused. The view did not run.",
            500: FAILED,
        },
    ),
    Story(
        slug="client-assertion",
        name="Client assertion",
        purpose="A client authenticates with a signature in place of a secret.",
        standard="RFC 7523 2.2",
        profile="clients",
        view=client_assertion,
        steps=steps("It is refused with 400 invalid_client."),
        answers={200: ACCEPTED, 400: "Refused. The view did not run.", 500: FAILED},
    ),
    Story(
        slug="jwt-bearer-grant",
        name="JWT bearer grant",
        purpose="Another server vouches for a user, and a token endpoint takes its word once.",
        standard="RFC 7523 2.1",
        profile="grants",
        view=jwt_bearer_grant,
        steps=steps("It is refused with 400 invalid_grant."),
        answers={200: ACCEPTED, 400: "Refused. The view did not run.", 500: FAILED},
    ),
    Story(
        slug="logout-token",
        name="Logout token",
        purpose="An OpenID provider says that a user has logged out.",
        standard="OpenID Connect Back-Channel Logout",
        profile="logout",
        view=logout_token,
        steps=steps("It is refused with 400 invalid_request."),
        answers={200: ACCEPTED, 400: "Refused. The view did not run.", 500: FAILED},
    ),
    Story(
        slug="security-event",
        name="Security event",
        purpose="A transmitter pushes what has happened to an account.",
        standard="RFC 8417, RFC 8935",
        profile="events",
        view=security_event,
        steps=steps("It is answered 202 as well, and the view does not run: see the signal."),
        answers={
            202: "Accepted. The view runs the first time only: see the signals.",
            500: "The work failed: jti and work were rolled back together.",
            503: "The first one is still being processed. Send it again later.",
        },
    ),
)

BY_SLUG = {story.slug: story for story in STORIES}
