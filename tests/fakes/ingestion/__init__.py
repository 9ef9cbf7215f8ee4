"""Ingestion's ports in memory, and examples of what it handles."""
