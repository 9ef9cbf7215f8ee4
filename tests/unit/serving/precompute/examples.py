"""Values of precomputing for tests."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from contracts.bundle import DatasetRef
from contracts.ingestion import DatasetIngested, IngestMode
from contracts.precompute import Precompute
from services.serving.domain import RolloutState, settle
from services.serving.precompute.domain import Candidate, Dataset, Plan, Precomputation
from tests.fakes.serving.deployments import InMemoryDeployments
from tests.fakes.serving.examples import DIGEST, NOW, cause, deployment, rollout
from tests.fakes.serving.rollouts import InMemoryRollouts

RULES = Precompute(key=("flight_id",), max_attempts=2, timeout_s=60)


def dataset(version: int = 1, *, later_s: float = -1000) -> Dataset:
    ref = DatasetRef(version=version, digest=DIGEST, table_uri="/lake/flights", delta_version=version - 1)
    return Dataset(ref=ref, rows=version * 100, cause=cause(f"dataset-{version}", later_s=later_s))


def plan(**changes: Any) -> Plan:
    known = {"pipeline": "flights", "precompute": RULES, "key": ("flight_id",), "dataset": dataset()}
    return Plan(**{**known, **changes})


def candidate(version: int = 1) -> Candidate:
    return Candidate(
        version=version,
        bundle_uri=f"/store/{version}",
        bundle_digest=DIGEST,
        since=NOW + timedelta(seconds=version),
        cause=cause(f"promotion-{version}"),
    )


def one(**changes: Any) -> Precomputation:
    known = {
        "id": UUID(int=1),
        "pipeline": "flights",
        "version": 1,
        "bundle_uri": "/store/1",
        "bundle_digest": DIGEST,
        "dataset": dataset().ref,
        "rows": 100,
        "key": ("flight_id",),
        "rules": RULES,
        "cause": cause(),
        "requested_by": "policy:promotion",
        "reason": "version 1 answers",
        "requested_at": NOW,
    }
    return Precomputation(**{**known, **changes})


def ingested(version: int = 1, rows: int = 100) -> DatasetIngested:
    return DatasetIngested(
        pipeline="flights",
        dataset_version=version,
        dataset_digest=DIGEST,
        table_uri="/lake/flights",
        delta_version=version - 1,
        mode=IngestMode.APPEND,
        raw_uri="/raw/1",
        raw_digest=DIGEST,
        new_rows=rows,
        rows=rows,
        profile_uri="/profiles/1.json",
        first_event=NOW,
        last_event=NOW,
    )


async def answers(version: int, deployments: InMemoryDeployments, rollouts: InMemoryRollouts) -> None:
    """Have a version's rollout be through; the one that answered is the one to go back to."""
    through = rollout(version, state=RolloutState.COMPLETED, finished_at=NOW + timedelta(seconds=version))
    await rollouts.save(through)
    await deployments.save(settle(await deployments.get("flights") or deployment(), through))
