"""Figures, files and papers; computes no physics."""
