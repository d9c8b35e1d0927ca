"""From a model and luminosities to rates; the only place with an amplitude."""
