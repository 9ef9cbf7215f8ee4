"""Scores that were computed before anybody asked: mapped from a file, found by key, or given live where there are none.

A row found is used only if the version that computed it is the one that answers, and it is not stale. Whoever sends
a row's features along gets a live answer instead; whoever does not is told why there is none.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any
from uuid import UUID

import orjson
from pydantic import ValidationError

from contracts.message import utc_now
from everloop import storage
from everloop.lookup import Lookup, ScoredRow, UnfitKeyError
from services.chassis.errors import TransientError
from services.chassis.logs import Log
from services.serving.desired import DesiredLookup
from services.serving.ports import Board
from services.serving.replica.answering import Answering
from services.serving.replica.errors import RequestError
from services.serving.replica.lineup import LoadedVersion
from services.serving.replica.protocol import text
from services.serving.replica.repeats import refuse_repeated
from services.serving.replica.v2 import JSON, ROUTING_KEY_HEADER, Reply

LOOK_AGAIN_S = 5.0
RETRY_AFTER_S = 30.0
"""Until a lookup that could not be opened is tried again."""
KEYS_AT_ONCE = 64
"""Looked up before other requests have their turn: a look-up takes microseconds, or a page from the disk."""
MEMBERS = ("keys", "rows", "routing_key")

Row = Mapping[str, Any]
Entry = dict[str, Any]

log = Log(__name__)


def open_lookup(wanted: DesiredLookup, directory: Path | None = None) -> Lookup:
    """Verify a lookup and map it; one that lies elsewhere is fetched first.

    Args:
        wanted: Which one.
        directory: Where to fetch it to; unset: the system's temporary directory.

    Raises:
        ValueError: Its digest disagrees, or it is another lookup.
        StorageError: It can't be read.
    """
    with TemporaryDirectory(prefix="everloop-lookup-", dir=directory) as temporary:
        path = storage.local_path(wanted.uri)
        if path is None:
            # Gone with the directory; its pages stay for as long as they are mapped.
            path = Path(temporary) / "lookup.sqlite"
            storage.get_file(wanted.uri, path)
        if not path.is_file():
            raise storage.StorageError(f"there is no lookup at {wanted.uri}")
        if (found := storage.digest_file(path)) != wanted.digest:
            raise ValueError(f"the lookup at {wanted.uri} is {found}, expected {wanted.digest}")
        lookup = Lookup.open(path)
    if (lookup.about.precomputation_id, lookup.about.version) != (wanted.precomputation_id, wanted.version):
        raise ValueError(f"the lookup at {wanted.uri} is of version {lookup.about.version}, another one was expected")
    return lookup


class Precomputed:
    """The lookup a replica has mapped, if any. The former one stays until the next one is ready."""

    def __init__(
        self,
        pipeline: str,
        *,
        max_keys: int,
        open_: Callable[[DesiredLookup], Lookup] = open_lookup,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._pipeline = pipeline
        self._max_keys = max_keys
        self._open = open_
        self._clock = clock
        self._lookup: Lookup | None = None
        self._wanted: DesiredLookup | None = None
        self._failed: tuple[str, float] | None = None

    @property
    def id(self) -> UUID | None:
        """The precomputation whose scores are looked up."""
        return self._lookup.about.precomputation_id if self._lookup else None

    async def run(self, board: Board) -> None:
        """Map what the board asks for, at every change and now and then, until cancelled."""
        async with board.changes() as changes:
            while True:
                try:
                    desired = await board.desired(self._pipeline)
                    await self.follow(desired.lookup if desired else None)
                except (TransientError, ValidationError) as error:
                    log.warning("board can't be read", detail=str(error))
                await changes.wait(LOOK_AGAIN_S)

    async def follow(self, wanted: DesiredLookup | None) -> None:
        """Have a lookup mapped, or none; one that can't be is logged, and tried again later."""
        self._wanted = wanted
        if wanted is None:
            self._lookup = None
            return
        if self.id == wanted.precomputation_id:
            return
        if self._failed and self._failed[0] == wanted.digest and monotonic() - self._failed[1] < RETRY_AFTER_S:
            return
        try:
            lookup = await asyncio.to_thread(self._open, wanted)
        except (OSError, ValueError, sqlite3.Error) as error:
            self._failed = (wanted.digest, monotonic())
            log.exception("lookup can't be opened", precomputation_id=str(wanted.precomputation_id), error=str(error))
            return
        self._lookup, self._failed = lookup, None
        log.info("lookup is open", version=wanted.version, keys=lookup.about.keys)

    async def answer(
        self,
        answering: Answering,
        body: bytes,
        headers: Mapping[str, str],
        version: str | None = None,
        *,
        explain: bool = False,
    ) -> Reply:
        """Answer one request.

        Args:
            answering: The model, for what has to be answered live.
            body: ``{"keys": [...], "rows": [...]}``; rows may be left out, or be null where there is none.
            headers: What came with it, names in lower case: trace context, routing key.
            version: Must be unset: a lookup is of the version that answers.
            explain: Must be unset: attributions are computed live.

        Raises:
            RequestError: It can't be answered.
        """
        if version is not None or explain:
            raise RequestError(400, "scores are looked up of the version that answers, and have no explanation")
        keys, rows, options = self._parse(body)
        held = answering.shelf.answering
        answers = await self._find(held, keys)
        live = {
            place: row
            for place, (entry, row) in enumerate(zip(answers, rows, strict=True))
            if entry["source"] is None and row is not None
        }
        if live:
            routing_key = headers.get(ROUTING_KEY_HEADER) or text(options, "routing_key")
            if held is not None and any(entry["source"] for entry in answers):
                # One answer is of one version. A rollout that compares versions by chance does not count it.
                chosen = replace(held, tally=None, shadow=None)
            else:
                chosen = answering.choose(None, routing_key=routing_key)
            asked = list(live.values())
            question = answering.read(chosen, lambda reader: reader.of_rows(asked, len(body)))
            answered = await answering.answer(chosen, question, traceparent=headers.get("traceparent"))
            served_at = answered.served_at.isoformat()
            for place, score, id_ in zip(live, answered.scores, answered.prediction_ids, strict=True):
                answers[place] = _entry(keys[place], "live", score, answered.version, id_, served_at, 0.0)
        return Reply(orjson.dumps({"model": self._pipeline, "answers": answers}), {"content-type": JSON})

    async def _find(self, held: LoadedVersion | None, keys: Sequence[object]) -> list[Entry]:
        lookup, wanted, now = self._lookup, self._wanted, self._clock()
        if held is None or lookup is None or wanted is None or lookup.about.version != held.version:
            return [_nothing(key, "not_precomputed") for key in keys]
        found: list[Entry] = []
        for place, key in enumerate(keys):
            if place and place % KEYS_AT_ONCE == 0:
                await asyncio.sleep(0)
            try:
                row = lookup.get(lookup.key_of(key))
            except UnfitKeyError as error:
                raise RequestError(400, f"key {place}: {error}") from error
            found.append(_looked_up(key, row, lookup, wanted.max_age_s, now))
        return found

    def _parse(self, body: bytes) -> tuple[list[object], Sequence[Row | None], Mapping[str, Any]]:
        try:
            content = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise RequestError(400, f"the body is not JSON: {error}") from error
        refuse_repeated(body, {"keys": 1, "rows": 1})
        if not isinstance(content, dict) or not isinstance(keys := content.get("keys"), list) or not keys:
            raise RequestError(400, "the body is no object with a list of keys")
        if unknown := content.keys() - set(MEMBERS):
            raise RequestError(400, f"unknown beside the keys: {', '.join(sorted(unknown))}")
        if len(keys) > self._max_keys:
            raise RequestError(413, f"{len(keys)} keys; at most {self._max_keys} are answered at once")
        rows = content.get("rows")
        if rows is None:
            return keys, [None] * len(keys), content
        if not isinstance(rows, list) or len(rows) != len(keys):
            raise RequestError(400, "rows is no list with an entry per key")
        if strange := [place for place, row in enumerate(rows) if not isinstance(row, dict | None)]:
            raise RequestError(400, f"row {strange[0]} is neither an object nor null")
        return keys, rows, content


def _looked_up(key: object, row: ScoredRow | None, lookup: Lookup, max_age_s: float | None, now: datetime) -> Entry:
    if row is None:
        return _nothing(key, "unknown_key")
    age_s = max(0.0, (now - row.computed_at).total_seconds())
    if max_age_s is not None and age_s > max_age_s:
        return _nothing(key, "stale")
    about = lookup.about
    entry = _entry(
        key,
        "precomputed",
        row.score,
        about.version,
        f"{about.precomputation_id.hex}-{row.number}",
        row.computed_at.isoformat(),
        age_s,
    )
    entry["dataset_version"] = about.dataset_version
    entry["event_time"] = row.event_time.isoformat() if row.event_time else None
    return entry


def _entry(
    key: object, source: str, score: float, version: int, prediction_id: str, computed_at: str, age_s: float
) -> Entry:
    return {
        "key": key,
        "source": source,
        "score": score,
        "version": version,
        "prediction_id": prediction_id,
        "computed_at": computed_at,
        "age_s": age_s,
    }


def _nothing(key: object, reason: str) -> Entry:
    return {"key": key, "source": None, "score": None, "reason": reason}
