"""Time limits and handshakes of connections, so that all waits stay within the time limit."""

from __future__ import annotations

from typing import Any

import redis.asyncio.retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

ATTEMPTS = 2
"""The most attempts to send a command. A second one does no harm, by the owner token."""

CLUSTER_MARGIN = 0.9
"""The part of the time limit of a cluster that is shared out. The rest is for redirections."""


def longest_wait(timeout: float, *, is_several: bool, has_acks: bool, blocks: bool) -> float:
    """
    Return for how many seconds one step may wait, when all may take ``timeout``.

    A server that is dead or paused fails the first thing that a step waits for. The steps are
    the attempts, of which each waits for a connection, too, if the pool ``blocks`` until there
    is one; where the primary is one of several servers, that it is looked for in between; and
    where replicas have to acknowledge, that a reservation is taken back.
    """
    share = timeout / (ATTEMPTS * (1 + blocks) + is_several + has_acks)
    return share * CLUSTER_MARGIN if is_several else share


def limits(wait: float, retry: type[Retry | redis.asyncio.retry.Retry]) -> dict[str, Any]:
    """
    Return the arguments of redis-py for connections that wait so long, and never retry.

    A handshake is one round trip for a password and one for a number of the database. What
    else redis-py would say and ask first takes a round trip each, and is not needed here.
    """
    return {
        "socket_timeout": wait,
        "socket_connect_timeout": wait,
        "retry": retry(NoBackoff(), 0),
        "health_check_interval": 0,
        "protocol": 2,
        "driver_info": None,
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }
