"""Reading cards and tables, writing whole files, cached arrays, worker processes, JSON."""
