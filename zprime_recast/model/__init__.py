"""Definition of a Z' model, its decay widths, and its exchange formats."""
