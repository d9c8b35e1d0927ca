"""Verdicts and limits."""
