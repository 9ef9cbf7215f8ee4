"""Training's ports in memory."""
