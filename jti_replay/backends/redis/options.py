"""The OPTIONS of a cache in Redis: their names, types and defaults."""

from __future__ import annotations

from dataclasses import dataclass

from jti_replay.backends.options import Options


@dataclass(frozen=True, slots=True)
class RedisOptions(Options):
    """What ``OPTIONS`` of a cache in Redis may hold. All times are in seconds."""

    prefix: str = "jti:"
    """What the keys begin with. Sites that share a server need one each."""

    timeout: float = 0.8
    """The longest time for which a call waits for Redis, all attempts together."""

    client_factory: str | None = None
    """
    For a Redis Cluster, the path of a function that makes the
    :class:`redis.cluster.RedisCluster` of an URL, such as
    ``"redis.cluster.RedisCluster.from_url"``.
    """

    replicas: int = 0
    """How many replicas must have a reservation for it to count."""

    replica_timeout: float = 0.1
    """How long the replicas are waited for."""

    @property
    def is_cluster(self) -> bool:
        """Whether there is a client factory, which means a cluster."""
        return self.client_factory is not None
