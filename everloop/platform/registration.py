"""Register pipelines: ``python -m everloop.platform.registration FOLDER…``, one JSON line per pipeline.

A process of its own, because it imports what people wrote.
"""

import argparse
import asyncio
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from contracts.training import CodeSnapshot, RegisterPipeline

GIT_TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class Registration:
    """What became of one folder."""

    folder: str
    pipeline: str | None = None
    code_digest: str | None = None
    message_id: str | None = None
    error: str | None = None


def pipeline_folders(places: Iterable[Path]) -> Iterator[Path]:
    """Find folders that hold a ``pipeline.py``: the places themselves, or those directly below."""
    for place in places:
        if (place / "pipeline.py").is_file():
            yield place
        elif place.is_dir():
            yield from sorted(path.parent for path in place.glob("*/pipeline.py"))


def shipped_pipelines() -> Path:
    """Name the folder of pipelines that come with Everloop."""
    from importlib.util import find_spec

    spec = find_spec("ray_jobs")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(next(iter(spec.submodule_search_locations))) / "pipelines"


def register_apart(
    folders: Iterable[Path], *, nats_url: str, store: str, env: Mapping[str, str] | None = None
) -> list[Registration]:
    """Register pipelines in a process of their own, so that their code never runs in this one.

    Raises:
        RuntimeError: The process died; the error is its last line.
    """
    command = [sys.executable, "-P", "-m", "everloop.platform.registration", "--nats-url", nats_url, "--store", store]
    done = subprocess.run(  # noqa: S603 - our own module
        [*command, *map(str, folders)], capture_output=True, text=True, check=False, env=env
    )
    said = [Registration(**json.loads(line)) for line in done.stdout.splitlines() if line.startswith('{"folder"')]
    if done.returncode and not said:
        raise RuntimeError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "registration died")
    return said


def prepare(folder: Path, *, store: str) -> RegisterPipeline:
    """Import a pipeline, keep its code in the store, and write the command that registers it.

    Raises:
        BundleError: It does not import, or is too large.
        MalformedError: Training would refuse it.
        StorageError: The store cannot be written.
    """
    from everloop import storage
    from everloop.bundle.code import load_pipeline, snapshot
    from services.training.domain import check

    pipeline = load_pipeline(folder)
    check(pipeline.definition.name, pipeline.definition)
    code = snapshot(folder)
    uri = storage.write_once(storage.join(store, "code"), code, suffix=".zip")
    commit, modified = working_copy(folder)
    snapshot_of = CodeSnapshot(uri=uri, digest=storage.digest(code), commit=commit, modified=modified)
    return RegisterPipeline(pipeline=pipeline.definition.name, definition=pipeline.definition, code=snapshot_of)


def working_copy(folder: Path) -> tuple[str | None, bool]:
    """Read the git commit of a folder and whether its files differ from it; no commit outside of git.

    Files that git ignores count too, where a snapshot takes them: the commit does not have them.
    """
    from everloop.bundle.code import pipeline_files

    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None, False
    tracked = (_git(folder, "ls-files", "-z", "--", ".") or "").split("\0")
    return commit, bool(_git(folder, "status", "--porcelain", "--", ".") or pipeline_files(folder).keys() - {*tracked})


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - fixed words
            ["git", "-C", str(folder), *words],  # noqa: S607 - the person's own git
            capture_output=True,
            text=True,
            timeout=GIT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


async def register(folders: Iterable[Path], *, nats_url: str, store: str) -> list[Registration]:
    """Register the pipeline of every folder; one that fails does not keep the others from it."""
    from everloop.bundle.manifest import BundleError
    from everloop.client.bus import connect_bus
    from services.chassis.errors import MalformedError

    outcomes = []
    async with connect_bus(nats_url) as bus:
        for folder in folders:
            try:
                command = await asyncio.to_thread(prepare, folder, store=store)
                receipt = await bus.say(command, source="cli")
            except (BundleError, MalformedError, OSError, ValueError) as error:
                outcomes.append(Registration(str(folder), error=str(error)))
                continue
            outcomes.append(Registration(str(folder), command.pipeline, command.code.digest, receipt.message_id))
    return outcomes


def main() -> int:
    """Register the folders named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m everloop.platform.registration")
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--nats-url", required=True)
    parser.add_argument("--store", required=True)
    options = parser.parse_args()
    outcomes = asyncio.run(register(options.folders, nats_url=options.nats_url, store=options.store))
    for outcome in outcomes:
        sys.stdout.write(json.dumps(asdict(outcome)) + "\n")
    return int(any(outcome.error for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
