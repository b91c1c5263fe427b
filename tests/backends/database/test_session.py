"""A private connection sees the schema and the role that Django's connection sees."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from django.db import DatabaseError, connections, transaction
from django.db.backends.postgresql.base import DatabaseWrapper
from django.test.utils import CaptureQueriesContext

from jti_replay import CacheError, release_on_rollback, replay_cache
from jti_replay.backends.database import connections as private_connections
from jti_replay.backends.database.connections import PrivateConnections
from tests.backends.database.conftest import UseCache
from tests.backends.database.test_private_connections import ask
from tests.models import Work
from tests.rollback.blocks import failing_block

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def tenant(postgres: str) -> Iterator[str]:
    """A schema with a table for jtis of its own, which a role of the same name owns."""
    connection = connections[postgres]

    def run(*statements: str) -> None:
        connection.close()
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    run(
        "CREATE SCHEMA tenant",
        "CREATE TABLE tenant.jti_replay_reservedjti"
        " (LIKE public.jti_replay_reservedjti INCLUDING ALL)",
        "CREATE ROLE tenant",
        "ALTER TABLE tenant.jti_replay_reservedjti OWNER TO tenant",
        "GRANT USAGE ON SCHEMA tenant TO tenant",
    )
    yield postgres
    run("DROP SCHEMA tenant CASCADE", "DROP ROLE tenant")
    connection.close()


def enter(alias: str, *entered: str) -> None:
    with connections[alias].cursor() as cursor:
        for setting in entered:
            cursor.execute(f"SET {setting}")


def rows(alias: str, schema: str) -> int:
    return int(ask(connections[alias], f"SELECT count(*) FROM {schema}.jti_replay_reservedjti"))


@pytest.mark.parametrize(
    "entered",
    [["search_path = tenant"], ["search_path = tenant", "ROLE tenant"]],
    ids=["schema", "role"],
)
def test_a_reserve_that_does_not_join_is_in_the_schema_of_the_tenant(
    tenant: str, use_cache: UseCache, entered: list[str]
) -> None:
    """A jti is kept in the table that Django's connection finds."""
    cache = use_cache(tenant, join=False)
    enter(tenant, *entered)
    with transaction.atomic(tenant):
        reservation = replay_cache.reserve("a")
        assert reservation
        assert replay_cache.reserve("a") is None
    assert cache.count() == 1
    assert rows(tenant, "tenant") == 1
    enter(tenant, "ROLE NONE", "search_path = public")
    assert rows(tenant, "public") == 0
    assert replay_cache.reserve("a")
    enter(tenant, *entered)
    assert reservation.release()
    assert rows(tenant, "tenant") == 0


@pytest.mark.parametrize("savepoint", [False, True])
def test_a_release_after_a_rollback_is_in_the_schema_of_the_tenant(
    tenant: str, use_cache: UseCache, savepoint: bool
) -> None:
    """A reservation from before the transaction is found, though no query is allowed then."""
    use_cache(tenant)
    enter(tenant, "search_path = tenant", "ROLE tenant")
    reservation = replay_cache.reserve("a")
    assert reservation
    around = transaction.atomic(tenant) if savepoint else nullcontext()
    with around, failing_block(tenant):
        release_on_rollback(reservation, tenant)
    assert rows(tenant, "tenant") == 0
    assert not connections[tenant].in_atomic_block
    with transaction.atomic(tenant):
        assert replay_cache.reserve("a")
    assert rows(tenant, "tenant") == 1


class TenantWrapper(DatabaseWrapper):
    """A wrapper that sets the schema whenever a cursor is made, as django-tenants does."""

    schema = "public"

    def _cursor(self, name: str | None = None) -> Any:
        cursor = super()._cursor(name)  # type: ignore[misc]
        cursor.execute(f"SET search_path = {self.schema}")
        return cursor


@pytest.fixture
def wrapper(tenant: str) -> Iterator[TenantWrapper]:
    """Django's connection, by such a wrapper, which has entered the tenant's schema."""
    plain = connections[tenant]
    wrapper = TenantWrapper(plain.settings_dict, tenant)
    wrapper.schema = "tenant"
    connections[tenant] = wrapper
    yield wrapper
    wrapper.close()
    connections[tenant] = plain


@pytest.mark.parametrize("join", [True, False], ids=["join", "alone"])
def test_a_wrapper_that_sets_its_schema_by_itself_is_followed(
    wrapper: TenantWrapper, use_cache: UseCache, join: bool
) -> None:
    """A copy of such a wrapper does not know of the tenant, and sets another schema."""
    use_cache(wrapper.alias, join=join)
    reservation = replay_cache.reserve("a")
    assert reservation
    with failing_block(wrapper.alias):
        release_on_rollback(reservation, wrapper.alias)
        assert rows(wrapper.alias, "tenant") == 1
    assert rows(wrapper.alias, "tenant") == 0
    assert rows(wrapper.alias, "public") == 0


def test_a_wrapper_that_cannot_set_its_schema_is_an_error(
    wrapper: TenantWrapper, use_cache: UseCache
) -> None:
    """No jti is kept in another schema, where the next request would not look for it."""
    use_cache(wrapper.alias, join=False)
    wrapper.schema = "'unfinished"
    with pytest.raises(CacheError, match="unterminated"):
        replay_cache.reserve("a")
    wrapper.schema = "tenant"
    assert rows(wrapper.alias, "public") == 0


def test_what_was_adopted_is_not_left_to_the_next_operation(
    tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that entered a schema stays there until it is closed at the end."""
    monkeypatch.setattr(private_connections, "is_test_run", lambda: False)
    monkeypatch.setitem(connections[tenant].settings_dict, "CONN_MAX_AGE", None)
    private = PrivateConnections(tenant, 1)
    enter(tenant, "search_path = tenant")
    with private.use() as connection:
        assert ask(connection, "SHOW search_path") == "tenant"
        connection.close()
        assert ask(connection, "SHOW search_path") == "tenant"
    assert connection.connection is None
    enter(tenant, "search_path = DEFAULT", "ROLE tenant")
    with private.use() as connection:
        assert ask(connection, "SELECT current_user") == "tenant"
    connections[tenant].close()
    with private.use() as connection:
        assert ask(connection, "SHOW search_path") == '"$user", public'
    assert connection.connection is not None
    private.close()


def test_django_is_asked_without_a_trace(tenant: str, use_cache: UseCache) -> None:
    """No query shows in Django's log, and no transaction is left that Django does not know."""
    use_cache(tenant, join=False)
    with CaptureQueriesContext(connections[tenant]) as queries:
        assert replay_cache.reserve("a")
    assert len(queries) == 0
    connections[tenant].set_autocommit(False)
    assert replay_cache.reserve("b")
    assert connections[tenant].connection.info.transaction_status == 0
    connections[tenant].set_autocommit(True)


def test_beside_a_failed_transaction_the_latest_session_counts(
    tenant: str, use_cache: UseCache
) -> None:
    """A view that swallows an error can release by hand, in the schema of its reserve."""
    use_cache(tenant, join=False)
    enter(tenant, "search_path = tenant")
    with transaction.atomic(tenant):
        reservation = replay_cache.reserve("a")
        assert reservation
        with pytest.raises(DatabaseError, match="no_such_table"):
            ask(connections[tenant], "SELECT 1 FROM no_such_table")
        assert reservation.release()
        transaction.set_rollback(True, using=tenant)


def test_a_session_that_has_ended_is_not_asked(
    postgres: str, use_cache: UseCache, other_session: Any
) -> None:
    """The cache works though Django's connection has been lost, and nobody has noticed."""
    tenant = postgres
    use_cache(tenant, join=False)
    pid = ask(connections[tenant], "SELECT pg_backend_pid()")
    ask(other_session, f"SELECT pg_terminate_backend({pid})")
    assert replay_cache.reserve("b")
    connections[tenant].close()


def test_the_transaction_of_django_goes_on(tenant: str, use_cache: UseCache) -> None:
    """To be asked ends no transaction that the project has begun."""
    use_cache(tenant, join=False)
    with transaction.atomic(tenant):
        Work.objects.using(tenant).create(name="before")
        assert replay_cache.reserve("a")
    assert Work.objects.using(tenant).count() == 1


def test_a_schema_without_the_table_is_an_error(tenant: str, use_cache: UseCache) -> None:
    """No jti is kept in a table that Django's connection does not see."""
    use_cache(tenant, join=False)
    enter(tenant, "search_path = nowhere")
    with pytest.raises(CacheError, match="jti_replay_reservedjti"):
        replay_cache.reserve("a")
    enter(tenant, "search_path = public")
    assert rows(tenant, "public") == 0
