"""Machinery every service stands on: bus, outbox, inbox, database, HTTP, settings, telemetry. No business."""
