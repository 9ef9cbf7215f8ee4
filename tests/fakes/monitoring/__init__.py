"""Monitoring's ports in memory, and examples of what it hears."""
