"""Measurements, each a program that prints what the documentation claims."""
