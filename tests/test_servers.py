import pytest
from django.db import connections
from django_redis import get_redis_connection

from jti_replay import replay_cache
from tests.models import Work


@pytest.mark.django_db(transaction=True, databases=["default", "memory", "postgres"])
def test_work_is_stored_in_a_real_postgresql(postgres: str) -> None:
    Work.objects.using(postgres).create(name="a")
    assert Work.objects.using(postgres).count() == 1
    assert connections[postgres].vendor == "postgresql"


def test_redis_is_real(redis_cache_settings: None) -> None:
    assert get_redis_connection().ping()
    assert replay_cache.reserve("a")
