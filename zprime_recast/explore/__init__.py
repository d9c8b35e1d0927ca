"""The explorer: a page in the browser with sliders for one model and the results for the chosen point.

``card`` edits a model card, ``point`` turns the fields of the page into results, ``contours`` computes contours in the
background, ``figures`` draws, ``page`` and ``server`` show and serve the page, ``start`` checks everything and begins.
Only ``page`` and ``server`` need the extra ``explore``.
"""
