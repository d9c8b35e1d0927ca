"""Dilepton events: exact unweighted samples, their files, histograms, templates and showers."""
