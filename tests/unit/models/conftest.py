"""Fixtures of bundles and of the registry that knows them."""

from tests.fixtures.bundles import bundles
from tests.fixtures.registry import cache_dir, registry

__all__ = ["bundles", "cache_dir", "registry"]
