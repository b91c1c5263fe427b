"""
The examination of replay caches: what they survive, and whether they can work.

The examination asks a store over the network, so it is for operators and never part of a
request: ``manage.py jti_replay doctor`` and ``manage.py check --database``. It only reads.

This package does what holds for every cache, and runs the diagnosis of its backend
(:meth:`~jti_replay.backends.base.BaseReplayCache.diagnose`). No backend imports it.
"""
