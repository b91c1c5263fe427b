from tests.tokens.conftest import _default_profile, configure, issuer, knock  # noqa: F401
