"""
What a replay cache would survive: a restart, a failover, a full memory, a wrong clock.

A cache is asked over the network, so that this is for operators and never part of a request:
``manage.py jti_replay doctor``, and ``manage.py check --database``. What is looked at is the
business of each backend, in :meth:`~jti_replay.backends.base.BaseReplayCache.diagnose`.
"""
