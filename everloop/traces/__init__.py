"""Spans of everything that happened, kept on this machine: received over OTLP, stored in SQLite, drawn as trees.

The embedded default of telemetry. Where a collector is configured, it takes this package's place.
"""
