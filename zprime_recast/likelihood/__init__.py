"""Counts and nuisances; knows no Z'."""
