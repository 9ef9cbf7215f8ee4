"""What it costs to write scores and to look them up: our file, and the Arrow files it was chosen over.

::

    python -m tests.benchmarks.lookup [rows]
"""

import bisect
import hashlib
import random
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from uuid import UUID

import numpy as np
import pyarrow as pa

from contracts.pipeline import ColumnType
from everloop.lookup import KeyColumn, Lookup, LookupWriter

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ASKED = 20_000

Find = Callable[[str], float]


def ours(path: Path, keys: Sequence[str], scores: Sequence[float]) -> Callable[[], Find]:
    """One SQLite file, sorted by key."""
    writer = LookupWriter(path)
    writer.add(zip(keys, scores, *_times(len(keys)).values(), strict=True))
    writer.finish(
        precomputation_id=UUID(int=1),
        pipeline="benchmark",
        version=1,
        dataset_version=1,
        key=(KeyColumn(name="key", type=ColumnType.STRING),),
        computed_at=NOW,
    )
    writer.close()

    def opened() -> Find:
        lookup = Lookup.open(path)

        def find(key: str) -> float:
            row = lookup.get(lookup.key_of(key))
            assert row is not None
            return row.score

        return find

    return opened


def sorted_arrow(path: Path, keys: Sequence[str], scores: Sequence[float]) -> Callable[[], Find]:
    """An Arrow file sorted by key, searched by halves."""
    _write(path, pa.table({"key": keys, "score": scores, **_times(len(keys))}).sort_by("key"))

    def opened() -> Find:
        batch = _mapped(path)
        names, found = batch.column("key"), batch.column("score")
        view = _Texts(names)

        def find(key: str) -> float:
            place = bisect.bisect_left(view, key)
            assert names[place].as_py() == key
            score: float = found[place].as_py()
            return score

        return find

    return opened


def hashed_arrow(path: Path, keys: Sequence[str], scores: Sequence[float]) -> Callable[[], Find]:
    """An Arrow file sorted by a hash of the key, searched by numpy; equal hashes are not looked after."""
    hashes = np.fromiter(map(_hash, keys), np.uint64, len(keys))
    order = np.argsort(hashes, kind="stable")
    table = pa.table({"key": keys, "score": scores, **_times(len(keys))}).take(pa.array(order))
    _write(path, table.append_column("hash", pa.array(hashes[order])))

    def opened() -> Find:
        batch = _mapped(path)
        names, found, places = batch.column("key"), batch.column("score"), batch.column("hash").to_numpy()

        def find(key: str) -> float:
            place = int(np.searchsorted(places, np.uint64(_hash(key))))
            assert names[place].as_py() == key
            score: float = found[place].as_py()
            return score

        return find

    return opened


class _Texts(Sequence[str]):
    def __init__(self, texts: pa.Array) -> None:
        self._texts = texts

    def __len__(self) -> int:
        return len(self._texts)

    def __getitem__(self, place: int) -> str:  # type: ignore[override]  # slices are not asked for
        text: str = self._texts[place].as_py()
        return text


def _hash(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "little")


def _times(rows: int) -> dict[str, range]:
    now_us = int(NOW.timestamp()) * 10**6
    return {
        "event_time": range(now_us, now_us + rows),
        "computed_at": range(now_us, now_us + rows),
        "number": range(rows),
    }


def _write(path: Path, table: pa.Table) -> None:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=table.num_rows)


def _mapped(path: Path) -> pa.RecordBatch:
    return pa.ipc.open_file(pa.memory_map(str(path))).get_batch(0)


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000_000
    keys = [f"UA-{number * 7919 % rows:07d}" for number in range(rows)]
    scores = np.random.default_rng(17).random(rows).tolist()
    asked = random.Random(17).sample(keys, min(rows, ASKED))
    for write in (ours, hashed_arrow, sorted_arrow):
        with TemporaryDirectory() as directory:
            path = Path(directory) / "lookup"
            began = process_time()
            opened = write(path, keys, scores)
            written = process_time()
            find = opened()
            ready = process_time()
            for key in asked:
                find(key)
            done = process_time()
            sys.stdout.write(
                f"{write.__name__}: {(done - ready) / len(asked) * 1e6:.1f} µs a look-up, "
                f"{path.stat().st_size / rows:.0f} bytes a row, "
                f"opened in {(ready - written) * 1000:.1f} ms, written in {written - began:.1f} s\n"
            )


if __name__ == "__main__":
    main()
