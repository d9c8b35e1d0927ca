"""A page in the browser for one model: sliders, and what the package says of the point they are at.

``card`` edits a model card, ``point`` turns a state into results, ``contours`` computes contours in the background,
``figures`` draws, ``server`` and ``page`` serve it. Only the last two need the extra ``explore``.
"""
