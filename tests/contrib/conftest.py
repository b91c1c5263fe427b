from tests.rollback.conftest import serve, using  # noqa: F401
