"""How the keys spread over the shards of a Redis Cluster."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from redis.crc import key_slot

from jti_replay.backends.redis.keys import ClusterKeys, Keys
from jti_replay.backends.redis.options import RedisOptions
from jti_replay.reservation.digests import jti_digest

SLOTS = 16_384
SHARDS = (3, 6, 12, 48)
TOKENS = 200_000

HOT_ISSUER = "https://hot.example"


def measure() -> dict[str, Any]:
    """Return the load of the fullest shard over the mean, by how keys are spread."""
    spreads = {
        "by tag, many issuers": [_tag_slot(digest) for digest in _many_issuers()],
        "by tag, one hot issuer": [_tag_slot(digest) for digest in _hot_issuer()],
        "by tag, one issuer that counts": [_tag_slot(digest) for digest in _counted()],
        "by digest, without a tag": [
            key_slot(Keys(RedisOptions().prefix).entry(digest)) for digest in _many_issuers()
        ],
        "by issuer (not what is done)": [
            key_slot(b"jti:{%b}" % HOT_ISSUER.encode()) for _ in range(TOKENS)
        ],
    }
    return {
        "tags": {str(shards): _tags(shards) for shards in SHARDS},
        "spreads": {
            name: {str(shards): _fullest(slots, shards) for shards in SHARDS}
            for name, slots in spreads.items()
        },
    }


def _tag_slot(digest: bytes) -> int:
    return key_slot(ClusterKeys(RedisOptions().prefix).entry(digest))


def _tags(shards: int) -> dict[str, float]:
    """Return how many of the 256 tags a shard has: the fewest, the most and the mean."""
    counted = Counter(_shard(_tag_slot(bytes([first])), shards) for first in range(256))
    tags = [counted[shard] for shard in range(shards)]
    return {"fewest": min(tags), "most": max(tags), "mean": 256 / shards}


def _fullest(slots: Iterable[int], shards: int) -> float:
    counted = Counter(_shard(slot, shards) for slot in slots)
    return max(counted.values()) / (sum(counted.values()) / shards)


def _shard(slot: int, shards: int) -> int:
    # redis-cli --cluster create gives each shard a range of slots, all of one length.
    return slot * shards // SLOTS


def _many_issuers() -> Iterator[bytes]:
    for number in range(TOKENS):
        yield jti_digest(f"https://{number % 1000}.example", str(uuid.UUID(int=number * 7919)))


def _hot_issuer() -> Iterator[bytes]:
    for _ in range(TOKENS):
        yield jti_digest(HOT_ISSUER, str(uuid.uuid4()))


def _counted() -> Iterator[bytes]:
    for number in range(TOKENS):
        yield jti_digest(HOT_ISSUER, str(number))
