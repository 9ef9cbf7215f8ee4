"""Experiments and runs: what was tried, with what, and how it went."""
