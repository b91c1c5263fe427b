"""Settings of the example. All is embedded, unless JTI_REPLAY_REDIS_URL names a Redis."""

import os
from pathlib import Path

REDIS_URL = os.environ.get("JTI_REPLAY_REDIS_URL")

# Where the server is reached, and where it keeps its database and its key.
EXAMPLE_URL = os.environ.get("EXAMPLE_URL", "http://127.0.0.1:8000")
RUN_DIR = Path(os.environ.get("EXAMPLE_RUN_DIR") or Path(__file__).parents[1] / "run")
RUN_DIR.mkdir(mode=0o700, exist_ok=True)

SECRET_KEY = "of an example, which signs nothing with it"
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
INSTALLED_APPS = ["jti_replay", "issuer", "exchange"]
MIDDLEWARE = []  # With CsrfViewMiddleware, the exchange would have to be csrf_exempt.
ROOT_URLCONF = "example.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": RUN_DIR / "example.sqlite3"}
}

if REDIS_URL:
    CACHES = {"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": REDIS_URL}}
    REPLAY_CACHE = {"BACKEND": "jti_replay.backends.redis.RedisCache", "LOCATION": "default"}
else:
    REPLAY_CACHE = {"BACKEND": "jti_replay.backends.memory.InMemoryCache"}

JTI_REPLAY = {
    "CACHES": {"default": REPLAY_CACHE},
    "PROFILES": {
        "default": {
            "ISSUER": EXAMPLE_URL,
            "AUDIENCE": f"{EXAMPLE_URL}/exchange",
            "ALGORITHMS": ["RS256"],
            # The issuer is a part of this very server, so while the exchange waits for its
            # keys, another thread has to serve them. runserver has threads. A server with
            # only one would wait for itself, and answer 503 after 5 seconds.
            "JWKS_URL": f"{EXAMPLE_URL}/.well-known/jwks.json",
            "MAX_LIFETIME": 600,
        },
    },
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "INFO"},
}
