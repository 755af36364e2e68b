"""Listeners that send the values of a run to other programs: `guide run --log NAME`."""
