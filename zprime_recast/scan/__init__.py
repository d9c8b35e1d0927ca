"""Many points: tables in, verdicts out; ln L for samplers."""
