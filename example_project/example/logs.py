"""What the log of the requests leaves out."""

import logging
import re


class WithoutQuery(logging.Filter):
    """Cuts queries out of request lines: the token of a link is in its query."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                re.sub(r"\?\S*", "?...", part) if isinstance(part, str) else part
                for part in record.args
            )
        return True
