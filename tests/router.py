"""Which tables are on which database of the tests."""

from __future__ import annotations

from typing import Any


class DjangoOnDefaultOnly:
    """Keeps Django's own tables off the other databases, each of which is flushed often."""

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        if db != "default" and app_label not in {"jti_replay", "tests"}:
            return False
        return None
