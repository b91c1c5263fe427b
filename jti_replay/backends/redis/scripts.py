"""What is asked of a Redis: Lua scripts, each of which happens there at once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, TypeAlias

Command: TypeAlias = tuple[Any, ...]
"""A command and its arguments, as they are sent."""


class Script:
    """A Lua script. The server knows it by its SHA-1 once it has seen it."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()

    def by_sha(self, keys: Sequence[bytes], arguments: Sequence[Any]) -> Command:
        """Return the command for a server that has seen the script."""
        return ("EVALSHA", self.sha, len(keys), *keys, *arguments)

    def by_source(self, keys: Sequence[bytes], arguments: Sequence[Any]) -> Command:
        """Return the command for a server that may not have seen it."""
        return ("EVAL", self.source, len(keys), *keys, *arguments)


RESERVED = 1
"""What the scripts that reserve answer if the jti was new, and 0 if it has been seen."""

# The owner is read back, so that one's own reserve is told from another's when its reply was
# lost and it is sent again. Redis 6.2 has no SET NX GET that would do it. It is then written
# again, because WAIT waits for what was written on its own connection, and the first one was.
_RESERVE = """\
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'KEEPTTL')
return 1"""

RESERVE = Script(_RESERVE)

# The marker holds the moment from which the memory is complete, in milliseconds since 1970 by
# the clock of the server. A call that finds it missing writes it. It is rounded up, and by one
# more because what it is compared with is rounded to the nearest one.
_MARK = """\
local since = redis.call('GET', KEYS[{marker}])
if not since then
  local now = redis.call('TIME')
  since = string.format('%d', now[1] * 1000 + math.floor(now[2] / 1000) + 2)
  redis.call('SET', KEYS[{marker}], since)
  return -since
end
"""

READ_MARK = Script("return (redis.call('GET', KEYS[1]) or 0) + 0")
"""Answers with the moment of the marker, 0 if there is none."""

MARK = Script(_MARK.format(marker=1) + "return since + 0")
"""Answers with the moment of the marker, negative if it had to be written."""

RESERVE_IF_WARM = Script(
    _MARK.format(marker=2) + "if ARGV[3] - since < 0 then return since + 0 end\n" + _RESERVE
)
"""
Reserves if the marker, the second key, lies no later than the third argument. It answers with
the marker's moment if it does, and with its negative if the marker had to be written.
"""

RELEASE = Script("""\
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0""")

RELEASE_ANY = Script("return redis.call('DEL', KEYS[1])")
