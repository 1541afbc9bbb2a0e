"""The documentation as a site: `make docs`. Pages stand here, so that a forge shows them, too."""

import sys
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_site"))

project = "scaffold"
author = "the authors of scaffold"
version = release = metadata.version("scaffold-monolith")
extensions = ["myst_parser", "reference", "repository"]

exclude_patterns = ["_site"]
myst_heading_anchors = 3
myst_enable_extensions = ["attrs_inline"]
nitpicky = True
highlight_language = "sh"

html_theme = "furo"
html_title = "scaffold"
html_static_path = ["_site/static"]
html_css_files = ["site.css"]
html_copy_source = False  # Nothing is fetched by a reader's browser but these files.
html_show_sphinx = False
html_show_copyright = False
html_use_index = False
pygments_style = "friendly"
pygments_dark_style = "monokai"
