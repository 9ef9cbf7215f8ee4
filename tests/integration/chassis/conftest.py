"""Fixtures of the chassis's integration tests."""

from tests.fixtures.ray import ray_head

__all__ = ["ray_head"]
