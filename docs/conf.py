"""The settings of Sphinx."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ["DJANGO_SETTINGS_MODULE"] = "docs.django_settings"

import django  # noqa: E402

django.setup()

from jti_replay import __version__  # noqa: E402

project = "django-jti-replay"
author = "The django-jti-replay maintainers"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
# The pages are also where they stood in 1.0.0, for links from elsewhere.
exclude_patterns = [
    "_build",
    *(page.name for page in Path(__file__).parent.glob("*.md") if page.is_symlink()),
]
source_suffix = {".md": "markdown"}
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_inherit_docstrings = False
python_display_short_literal_types = True
add_module_names = False

html_theme = "furo"
html_title = f"django-jti-replay {release}"
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
# Fonts are those of the reader's system, and nothing is fetched when a page is viewed.
html_theme_options = {"source_edit_link": "", "source_view_link": ""}
