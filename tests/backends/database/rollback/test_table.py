"""
The outcomes of tests/rollback, with a cache in the database itself. Those that are unknown to
any other cache are known to this one: see test_unknown.py.
"""

from __future__ import annotations
