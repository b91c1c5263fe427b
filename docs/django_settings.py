"""The settings of Django with which the API's docstrings are read."""

INSTALLED_APPS = ["jti_replay"]
SECRET_KEY = "docs"
USE_TZ = True
