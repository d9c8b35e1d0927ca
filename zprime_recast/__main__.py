"""``python -m zprime_recast``."""

from .cli import main

main()
