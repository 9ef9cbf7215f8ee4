"""Fixtures of serving's integration tests."""

from tests.fixtures.bundles import bundles
from tests.fixtures.ray import ray_head
from tests.integration.serving.stage import stage

__all__ = ["bundles", "ray_head", "stage"]
