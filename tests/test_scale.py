"""What docs/topics/scale.md says of shards and regions."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.scale import regions, report, shards
from jti_replay.backends.redis.keys import ClusterKeys

FEW = 3000


@pytest.fixture(scope="module")
def simulated() -> dict[str, Any]:
    return regions.measure(FEW)


@pytest.mark.parametrize(
    "design", ["an audience per region", "routing by digest", "one home region per issuer"]
)
def test_a_design_with_one_place_that_decides_accepts_no_token_twice(
    simulated: dict[str, Any], design: str
) -> None:
    said = simulated[design]
    assert (said["accepted twice"], said["most for one token"]) == (0, 1)
    assert said["without work"] == 0


def test_asynchronous_replication_accepts_tokens_once_in_each_region(
    simulated: dict[str, Any],
) -> None:
    assert simulated["asynchronous replication"]["accepted twice"] > FEW // 2
    assert simulated["asynchronous replication"]["most for one token"] == regions.REGIONS


def test_the_tags_are_spread_as_the_page_says() -> None:
    tags = {str(number): shards._tags(number) for number in shards.SHARDS}
    assert report._tags(tags) in report.PAGE.read_text()


def test_there_are_as_many_tags_as_the_page_says() -> None:
    assert len(set(ClusterKeys("jti:").markers())) == 256
