"""Sphinx configuration: ``sphinx-build -W docs build/docs``. No network, when building or in the reader's browser."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from zprime_recast import __version__

project = "zprime-recast"
author = "The zprime-recast developers"
project_copyright = author
release = version = __version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "mathml", "reference"]
exclude_patterns = ["_build", "figures", "examples", "_ext"]

nitpicky = True  # every cross-reference resolves
nitpick_ignore_regex = [
    ("py:class", r"(?!zprime_recast\.).*"),  # annotations: numpy, pathlib, typing
    ("py:obj", r"(?!zprime_recast\.).*"),
    ("py:class", r"zprime_recast\..*(FloatArray|ComplexArray)"),
    ("py:class", r"zprime_recast\..*\.(K|R|S|T|V|AnyLimits|AnyRows)"),  # type variables
    ("py:class", r"zprime_recast\..*\._\w+"),  # private classes
]
autodoc_mock_imports = [name for name in ("nicegui", "fissix", "distributed", "pythia8mc") if not find_spec(name)]
add_module_names = False
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True, "undoc-members": True}

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
html_math_renderer = "mathml"

nb_execution_mode = os.environ.get("ZPRIME_RECAST_DOCS_NOTEBOOKS", "force")  # "off" builds without running them
suppress_warnings = ["myst-nb.lexer"] if nb_execution_mode == "off" else []  # a run notebook knows its language
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_execution_in_temp = True
nb_merge_streams = True

html_theme = "furo"
html_title = f"zprime-recast {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
