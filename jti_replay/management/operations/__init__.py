"""The subcommands of ``manage.py jti_replay``, one in each file."""
