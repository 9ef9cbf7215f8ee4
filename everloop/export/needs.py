"""Which libraries a version's feature code imports, read from its source: whoever embeds the model must have them."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from io import BytesIO
from pathlib import PurePosixPath
from zipfile import ZipFile

from everloop.bundle.code import PIPELINE

OURS = frozenset({"everloop", "contracts", "ray_jobs"})


def needs(code: bytes) -> frozenset[str]:
    """Name the distributions that ``pipeline.py`` and the files beside it that it imports need.

    Args:
        code: The snapshot.

    Returns:
        Normalised names, as far as they are installed here; without Everloop and the standard library.
    """
    installed = packages_distributions()
    foreign = _imported(code) - sys.stdlib_module_names - OURS
    found = {distribution for module in foreign for distribution in installed.get(module, ())}
    return frozenset(re.sub(r"[-_.]+", "-", name).lower() for name in found)


def _imported(code: bytes) -> set[str]:
    """Collect the top-level names that are imported, from one of our files to the next."""
    found: set[str] = set()
    with ZipFile(BytesIO(code)) as archive:
        ours = {name: archive.read(name) for name in archive.namelist() if name.startswith(f"{PIPELINE}/")}
    waiting, seen = [f"{PIPELINE}/pipeline.py"], set()
    while waiting:
        file = waiting.pop()
        if file in seen or file not in ours:
            continue
        seen.add(file)
        for node in ast.walk(ast.parse(ours[file])):
            if isinstance(node, ast.Import):
                found.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level:
                waiting.extend(_siblings(file, node))
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    return found


def _siblings(file: str, node: ast.ImportFrom) -> list[str]:
    """List the files that a relative import may mean."""
    place = PurePosixPath(file).parents[node.level - 1]
    module = place.joinpath(*(node.module or "").split("."))
    named = [module, *(module / alias.name for alias in node.names)]
    return [text for path in named for text in (f"{path}.py", f"{path}/__init__.py")]
