"""The column of the digests: read, found and serialized as hexadecimal."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.core.serializers import deserialize, serialize

from jti_replay import replay_cache
from jti_replay.models import ReservedJTI
from jti_replay.reservation.digests import jti_digest
from tests.backends.database.conftest import UseCache

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def test_a_digest_is_written_in_hexadecimal(
    transactional_db: None, use_cache: UseCache
) -> None:
    use_cache("default")
    assert replay_cache.reserve("a", namespace="issuer")
    digest = jti_digest("issuer", "a")
    row = ReservedJTI.objects.get(pk=digest.hex())
    assert row == ReservedJTI.objects.get(pk=digest)
    assert str(row) == str(row.pk) == digest.hex()
    text = serialize("json", [row])
    assert digest.hex() in text
    assert [each.object.pk for each in deserialize("json", text)] == [row.pk]
    with pytest.raises(ValidationError):
        ReservedJTI.objects.get(pk="no digest")
