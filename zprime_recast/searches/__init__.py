"""Searches as the experiments published them: spectra, efficiencies and limits, read and checked."""
