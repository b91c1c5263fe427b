"""Django's TestCase, which itself runs each test in a transaction that rolls back."""

from __future__ import annotations

import unittest
from collections.abc import Callable

from django.test import TestCase


def run_in_testcase(using: str, body: Callable[[], None]) -> None:
    """Run a function as the test of a real TestCase."""

    class Inner(TestCase):
        databases = frozenset({using})

        def test(self) -> None:
            body()

    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(Inner).run(result)
    assert result.testsRun == 1
    assert result.errors == result.failures == []
