"""Writes every generated file: ``python -m docs.generate``. With ``--check`` it only says which would differ.

The committed schemas are promises: a change that breaks one is refused, never written.
"""

import argparse
import json
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contracts.catalog import BY_TYPE, MESSAGES
from contracts.compatibility import breaks
from contracts.documents import asyncapi, schema_of
from docs.events import events_page
from docs.protobuf import inference_protocol

ROOT = Path(__file__).parents[1]
SCHEMAS = Path("contracts/schemas")


def main() -> int:
    """Write what differs, or with ``--check`` name it; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m docs.generate", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file would differ")
    check = parser.parse_args().check
    if broken := broken_promises(ROOT / SCHEMAS):
        sys.stderr.write("published messages must keep their meaning; say a new version beside the old one:\n")
        sys.stderr.writelines(f"  {line}\n" for line in broken)
        return 1
    differing = {path: text for path, text in generated().items() if _read(ROOT / path) != text}
    for path, text in differing.items():
        sys.stderr.write(f"{'differs, run make docs' if check else 'written'}: {path}\n")
        if not check:
            (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / path).write_text(text)
    return 1 if check and differing else 0


def generated() -> dict[Path, str]:
    """Write every generated file's text, by its path from the root of the repository."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    schemas = {SCHEMAS / f"{message.subject}.json": _json(schema_of(message)) for message in MESSAGES}
    return schemas | {
        Path("docs/asyncapi.json"): _json(asyncapi(version)),
        Path("docs/events.md"): events_page(),
        **inference_protocol(ROOT),
    }


def broken_promises(schemas: Path) -> list[str]:
    """List what the code no longer keeps of the schemas that are committed."""
    broken: list[str] = []
    for file in sorted(schemas.glob("*.json")):
        message = BY_TYPE.get(file.stem)
        if message is None:
            broken.append(f"{file.stem}: withdrawn")
            continue
        published = json.loads(file.read_text())
        broken += [f"{file.stem}: {fault}" for fault in breaks(published, schema_of(message))]
    return broken


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


if __name__ == "__main__":
    sys.exit(main())
