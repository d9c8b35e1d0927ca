"""Expected events per bin."""
