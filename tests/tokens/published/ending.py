"""A process that ends while it fetches keys: ``python -m ... URL TOKEN``."""

from __future__ import annotations

import sys
import threading
import time

from jti_replay.tokens.jwks import RemoteKeys
from jti_replay.tokens.jwks_options import JwksOptions
from jti_replay.tokens.locations import JwksUrl
from jti_replay.tokens.parsing import read_unverified

if __name__ == "__main__":
    options = JwksOptions(timeout=3600)
    keys = RemoteKeys(JwksUrl(sys.argv[1], options), options)
    token = read_unverified(sys.argv[2])
    threading.Thread(target=keys.get, args=[token], daemon=True).start()
    while not keys.is_fetching:
        time.sleep(0.01)
