"""How the documentation is built; the command is that of the README."""

from __future__ import annotations

import os
import re
from pathlib import Path

import skmixreg

ROOT = Path(__file__).resolve().parents[1]

project = "skmixreg"
author = copyright = "the authors of skmixreg"
version = release = skmixreg.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "**/sg_execution_times.rst", "sg_execution_times.rst"]
# `name` in a docstring is a link where there is such a name here, and code where there is none.
default_role = "py:obj"
highlight_language = "none"  # of blocks that do not name theirs: tables, commands
nitpicky = False

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_mock_imports = ["skpro"]  # one class is built on it
autodoc_typehints = "none"  # types stand in the docstrings, with shapes and units
autodoc_member_order = "groupwise"
numpydoc_show_class_members = False  # the template lists them
numpydoc_xref_param_type = False

smartquotes = False  # default="gaussian" is code
toc_object_entries_show_parents = "hide"

html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_title = "skmixreg"
html_show_sourcelink = False
html_sidebars = {"comparison": []}  # a section of one page
html_theme_options = {
    "navbar_end": ["theme-switcher"],
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "tango",
}

sphinx_gallery_conf = {
    "examples_dirs": str(ROOT / "examples"),
    "gallery_dirs": "auto_examples",
    # All run but the one that takes minutes; it shows the picture of a full run.
    "filename_pattern": r"/(?!forum_question)\w+\.py$",
    "ignore_pattern": r"__init__\.py",
    "within_subsection_order": "NumberOfCodeLinesSortKey",  # the simplest first
    "reset_modules": ("matplotlib",),
    "abort_on_example_error": True,
    "only_warn_on_example_error": False,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "remove_config_comments": True,
    "capture_repr": (),  # what is to be seen is printed
    "matplotlib_animations": False,
    "plot_gallery": os.environ.get("SKMIXREG_DOCS_GALLERY", "1") == "1",
}

# Made by scikit-learn for every estimator; they have pages of their own there.
INHERITED = re.compile(r"set_\w+_request|get_metadata_routing|get_params|set_output")


def skip_inherited(app, what, name, obj, skip, options):
    """Leave these methods out of the pages of classes."""
    return True if INHERITED.fullmatch(name) else None


def setup(app):
    app.connect("autodoc-skip-member", skip_inherited)
