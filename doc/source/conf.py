"""How Sphinx builds the documentation; a stock theme, so that it builds without the network."""

project = "ceilo-gossip"
author = "The ceilo-gossip authors"
project_copyright = author

extensions = ["oslo_config.sphinxext", "reno.sphinxext"]
exclude_patterns: list[str] = []

html_theme = "bizstyle"
html_theme_options = {"body_max_width": "60em"}
html_show_sourcelink = False
