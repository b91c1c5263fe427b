"""Django settings of the tortured site: the example project, on the stores of a set-up."""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "example_project"))

from example.settings import *  # noqa: F403

from .issuer import AUDIENCE, ISSUER, KEY, LEEWAY

SITE = json.loads(os.environ["TORTURE_SITE"])

TORTURE_FAULT = SITE["fault"]
ROOT_URLCONF = "benchmarks.torture.urls"

if SITE["database"]["ENGINE"].endswith("mysql"):
    import pymysql

    pymysql.install_as_MySQLdb()

DATABASES = {
    "default": {
        "CONN_MAX_AGE": None,
        # A dead server is noticed when the connection is next used, as on any site.
        "CONN_HEALTH_CHECKS": False,
        **SITE["database"],
    }
}
CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": f"redis://127.0.0.1:{SITE['redis_port']}/0",
    }
}
JTI_REPLAY = {
    "CACHES": {"default": SITE["replay_cache"]},
    "PROFILES": {
        "default": {
            "ISSUER": ISSUER,
            "AUDIENCE": AUDIENCE,
            "ALGORITHMS": ["HS256"],  # The cheapest, so that the stores are what works.
            "KEY": KEY,
            "LEEWAY": LEEWAY,
            "MAX_LIFETIME": 600,
        },
    },
}
MIDDLEWARE = ["benchmarks.torture.worker_notes.NotesMiddleware"]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"null": {"class": "logging.NullHandler"}},
    "root": {"handlers": ["null"], "level": "CRITICAL"},
}
