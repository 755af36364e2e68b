"""Sweeps: many trials of a task, packed into runs, done by worker processes."""
