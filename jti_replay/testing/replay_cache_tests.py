"""
The conformance test for replay caches: it proves that a backend keeps what
:class:`~jti_replay.backends.base.BaseReplayCache` promises.

For a backend of your own, write a test class such as this one::

    from django.test import SimpleTestCase
    from jti_replay.testing import ReplayCacheTests

    class MyCacheTests(ReplayCacheTests, SimpleTestCase):
        cache_settings = {"BACKEND": "my.backends.MyCache", "LOCATION": "..."}

It runs under Django's test runner and under pytest. Use a real store: nothing is mocked. If
the backend uses the database, take ``TransactionTestCase`` in place of ``SimpleTestCase``.

Its jtis are new in each run, so the store need not be empty. What it leaves there expires
within a minute.
"""

from .claiming import ClaimingTests
from .housekeeping import HousekeepingTests
from .lifetimes import LifetimeTests
from .naming import NamingTests
from .races import RaceTests
from .reserving import ReservingTests


class ReplayCacheTests(
    ReservingTests,
    NamingTests,
    LifetimeTests,
    RaceTests,
    ClaimingTests,
    HousekeepingTests,
):
    """
    The promises of a replay cache, each as a test. Mix it into a test case of Django's.

    Set ``cache_settings``, and override the hooks ``pass_time()`` and
    ``unreachable_settings`` if that suits the store.
    """
