"""The tortured site, for uvicorn."""

import os

from django.core.asgi import get_asgi_application

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.torture.settings"
application = get_asgi_application()
