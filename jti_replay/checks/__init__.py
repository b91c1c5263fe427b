"""
System checks: every setting that cannot work is refused with a stable id and a hint.

The same rules are applied when a cache or a profile is first used, because a server such as
gunicorn starts without running ``manage.py check``.
"""
