"""The parameters of a challenge in ``WWW-Authenticate`` (RFC 9110 11.6.1)."""

from __future__ import annotations

import re

# What an error_description in a header may not hold (RFC 6750 3). A function of the project
# may have written it.
UNFIT_FOR_HEADER = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")


def challenge(scheme: str, **parameters: str) -> str:
    """Return a challenge, with its parameters quoted."""
    quoted = (
        f'{name}="{UNFIT_FOR_HEADER.sub("?", value)}"' for name, value in parameters.items()
    )
    return f"{scheme} {', '.join(quoted)}".rstrip()
