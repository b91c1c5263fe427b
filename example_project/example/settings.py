"""Settings of the example. All is embedded, unless JTI_REPLAY_REDIS_URL names a Redis."""

import os
import secrets
from pathlib import Path

from .kept_files import kept

REDIS_URL = os.environ.get("JTI_REPLAY_REDIS_URL")

# Where the server is reached, and where it keeps its database and its keys.
EXAMPLE_URL = os.environ.get("EXAMPLE_URL", "http://127.0.0.1:8000")
RUN_DIR = Path(os.environ.get("EXAMPLE_RUN_DIR") or Path(__file__).parents[1] / "run")
RUN_DIR.mkdir(mode=0o700, exist_ok=True)

# The client that has registered with the server, and that the issuer tells of logouts.
CLIENT_ID = "example-client"

SECRET_KEY = kept(RUN_DIR / "secret", lambda: secrets.token_hex(32).encode()).decode()
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
INSTALLED_APPS = [
    "jti_replay",
    "pages",
    "exchange",
    "issuer",
    "tour",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "example.middleware.content_security_policy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # Before those of the apps, so that a page of ours takes the place of one of theirs.
        "DIRS": [Path(__file__).parents[1] / "pages" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "pages.context.stories",
            ]
        },
    }
]
TIME_ZONE = "UTC"
STATIC_URL = "/static/"
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

# The issuer is a part of this very server, so while a view waits for its keys, another thread
# has to serve them. runserver has threads. A server with only one would wait for itself, and
# answer 503 after 5 seconds.
ISSUER = {
    "ISSUER": EXAMPLE_URL,
    "ALGORITHMS": ["RS256"],
    "JWKS_URL": f"{EXAMPLE_URL}/.well-known/jwks.json",
}

JTI_REPLAY = {
    "CACHES": {
        "default": REPLAY_CACHE,
        # Its jtis are committed with the work, or rolled back with it.
        "database": {"BACKEND": "jti_replay.backends.database.DatabaseCache"},
    },
    "PROFILES": {
        "default": {**ISSUER, "AUDIENCE": f"{EXAMPLE_URL}/exchange", "MAX_LIFETIME": 600},
        "clients": {
            "KIND": "client_assertion",
            "AUDIENCE": EXAMPLE_URL,
            "ALGORITHMS": ["ES256"],
            "KEY": "issuer.keys.registered_keys",
        },
        "grants": {
            **ISSUER,
            "KIND": "jwt_bearer_grant",
            "AUDIENCE": f"{EXAMPLE_URL}/grants/token",
        },
        "dpop-token": {
            "KIND": "dpop",
            "OPTIONS": {"at": "token_endpoint", "origin": EXAMPLE_URL},
        },
        "dpop": {
            "KIND": "dpop",
            "OPTIONS": {
                "origin": EXAMPLE_URL,
                "access_token": {**ISSUER, "AUDIENCE": f"{EXAMPLE_URL}/dpop"},
            },
        },
        "logout": {**ISSUER, "KIND": "logout_token", "AUDIENCE": CLIENT_ID},
        "events": {
            **ISSUER,
            "KIND": "security_event",
            "AUDIENCE": EXAMPLE_URL,
            "CACHE": "database",
        },
        "invitation": {"KIND": "link", "CACHE": "database"},
    },
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"no_query": {"()": "example.logs.WithoutQuery"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler"},
        "requests": {"class": "logging.StreamHandler", "filters": ["no_query"]},
        "pages": {"class": "pages.board.BoardHandler"},
    },
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {
        "jti_replay": {"handlers": ["pages"]},
        "django.request": {"handlers": ["pages"]},
        # The request line of a link holds its token.
        "django.server": {"handlers": ["requests"], "propagate": False},
    },
}
