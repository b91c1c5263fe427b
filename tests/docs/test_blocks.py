"""The blocks of code on each page run, in their order."""

from __future__ import annotations

import copy
import doctest
import importlib
import inspect
import io
import sys
import unittest
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.test import override_settings
from django.urls import clear_url_caches

from jti_replay import replay_cache

from .pages import DOCUMENTS, ROOT, all_blocks, blocks_of, text_of

SCRIPTS = {"mint", "client"}
"""Files that are run by themselves, while a server runs: they have tests of their own."""

TEMPLATES = {
    "BACKEND": "django.template.backends.django.DjangoTemplates",
    "APP_DIRS": True,
}

STARTED = {
    "settings": "from pathlib import Path\n"
    "BASE_DIR, INSTALLED_APPS, MIDDLEWARE, TEMPLATES = Path(), [], [], [{}]\n"
    "DATABASES = {'default': {}}\n",
    "urls": "from django.urls import path\nurlpatterns = []\n",
}
"""What ``startproject`` has written above the lines of a page."""

IN_A_SHELL = {
    "ALLOWED_HOSTS": ["localhost"],
    "MIDDLEWARE": ["django.middleware.common.CommonMiddleware"],
}
"""What a new project answers to in ``manage.py shell``, where no test has set it up."""

PAGES = [
    pytest.param(str(page.relative_to(ROOT)), id=str(page.relative_to(ROOT)))
    for page in DOCUMENTS
    if {block.language for block in all_blocks(str(page.relative_to(ROOT)))}
    & {"python", "pycon"}
]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder from which modules can be imported, which are forgotten after the test."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__path__", "")) + str(
            getattr(sys.modules[name], "__file__", "")
        ):
            del sys.modules[name]
    clear_url_caches()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("page", PAGES)
def test_the_blocks_of_a_page_run(
    page: str, project: Path, settings: Any, request: pytest.FixtureRequest
) -> None:
    """Settings apply, modules import, sessions print what is shown, and tests pass."""
    names: dict[str, Any] = {"__name__": "page"}
    settings.TEMPLATES = [TEMPLATES | {"DIRS": [project]}]
    for code in blocks_of(page, "<!-- "):
        (project / code.split()[1]).write_text(code)
    for block in all_blocks(page):
        if block.language == "python" and "/" in block.file:
            _write(block.file, block.code, project)  # Settings may name what is in it.
    for number, block in enumerate(all_blocks(page)):
        code, file = block.code, block.file
        if block.language == "pycon":
            _run_session(code, page, names)
        elif block.language != "python" or file in SCRIPTS:
            continue
        elif file == "settings":
            _apply(code, settings)
            _check(page, settings)
        elif file:
            _run_tests(_module(file, code, project, settings), request)
        else:
            exec(compile(code, f"{page} block {number}", "exec"), names)


def _apply(code: str, settings: Any) -> None:
    # A block may add to what one above it has set.
    names = {"JTI_REPLAY": copy.deepcopy(getattr(settings, "JTI_REPLAY", {}))}
    exec(STARTED["settings"] + code, names)
    # django-redis reads it, and another block of the page may have set it.
    settings.DJANGO_REDIS_CONNECTION_FACTORY = "django_redis.pool.ConnectionFactory"
    for name in filter(str.isupper, names):
        if name not in ("INSTALLED_APPS", "MIDDLEWARE", "DATABASES", "TEMPLATES"):
            setattr(settings, name, names[name])


def _check(page: str, settings: Any) -> None:
    """Assert that the checks say nothing of the settings but what the tutorial tells of."""
    before, settings.ROOT_URLCONF = settings.ROOT_URLCONF, "tests.urls"
    found = run_checks(include_deployment_checks=True)
    settings.ROOT_URLCONF = before
    of_ours = {message.id for message in found if str(message.id).startswith("jti_replay")}
    told = {name for name in of_ours if name in text_of(page) and "tutorial" in page}
    memory = set() if replay_cache.is_shared else {"jti_replay.W001"}
    assert of_ours - told - memory == set()


def _write(file: str, code: str, project: Path) -> Path:
    path = project / f"{file}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(STARTED.get(file, "") + code)
    return path


def _module(file: str, code: str, project: Path, settings: Any) -> Any:
    path = _write(file, code, project)
    name = file.replace("/", ".")
    known = str(getattr(sys.modules.get(name), "__file__", path))
    assert known.startswith(str(project)), f"{file}.py would take the place of {known}"
    sys.modules.pop(name, None)
    importlib.invalidate_caches()
    module = importlib.import_module(name)
    if hasattr(module, "urlpatterns"):
        settings.ROOT_URLCONF = name
        clear_url_caches()
    return module


def _run_tests(module: Any, request: pytest.FixtureRequest) -> None:
    # Not loadTestsFromModule(), which resolves the tasks of Celery that it meets.
    for case in vars(module).values():
        if getattr(case, "__module__", "") != module.__name__:
            continue
        if isinstance(case, type) and issubclass(case, unittest.TestCase):
            result = unittest.TestResult()
            unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
            assert result.testsRun
            assert [trace for _, trace in result.errors + result.failures] == []
    for name, function in sorted(vars(module).items()):
        if name.startswith("test_"):
            function(*map(request.getfixturevalue, inspect.signature(function).parameters))


def _run_session(code: str, page: str, names: dict[str, Any]) -> None:
    session = doctest.DocTestParser().get_doctest(code, names, page, page, 0)
    said = io.StringIO()
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    with redirect_stdout(said), override_settings(**IN_A_SHELL):
        failed, _ = doctest.DocTestRunner(optionflags=flags, verbose=False).run(
            session, out=said.write, clear_globs=False
        )
    names.update(session.globs)
    assert failed == 0, said.getvalue()
