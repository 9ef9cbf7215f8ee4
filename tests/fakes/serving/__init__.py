"""Serving's ports in memory."""
