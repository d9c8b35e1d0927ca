"""What an experiment published, checked."""
