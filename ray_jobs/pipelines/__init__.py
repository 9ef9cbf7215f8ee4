"""Pipelines that ship with Everloop: one folder each, and all of a model's life in its ``pipeline.py``."""
