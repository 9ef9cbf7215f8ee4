"""Alerts: what a person should know of, told once through the channels that the settings declare."""
