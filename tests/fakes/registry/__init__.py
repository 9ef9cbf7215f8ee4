"""The registry's ports in memory."""
