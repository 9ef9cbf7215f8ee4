"""A version takes over, answers, and answers in advance."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from contracts import inference, precompute, serving
from contracts.message import Message
from tests.contracts.examples.story import NOON, PIPELINE, PRECOMPUTATION, ROLLOUT, RUN_URI, digest


def _guard_verdict() -> serving.GuardVerdict:
    return serving.GuardVerdict(
        test=serving.GuardTest.ERRORS,
        failed=True,
        statistic=11.2,
        threshold=5.99,
        candidate=0.075,
        champion=0.0009,
        candidate_requests=120,
        champion_requests=2300,
        explanation="errors: 9 of 120 requests failed, 2 of 2300 of version 1",
    )


def of_serving() -> list[Message]:
    batch = serving.PredictionBatch(
        version=2,
        prediction_ids=("p-1", "p-2"),
        event_times=(NOON, NOON),
        served_at=NOON,
        inputs={"carrier": ("AA", None), "distance": (1400.0, 229.0)},
        scores=(0.23, 0.61),
    )
    rollout: dict[str, Any] = {"rollout_id": ROLLOUT, "version": 2}
    return [
        serving.RolloutStarted(pipeline=PIPELINE, rollout_id=ROLLOUT, version=2, previous_version=1),
        serving.RolloutStepped(
            pipeline=PIPELINE,
            rollout_id=ROLLOUT,
            version=2,
            previous_version=1,
            step=0,
            steps=2,
            kind="canary",
            share=0.05,
            bake=timedelta(minutes=5),
            bundle_uri=f"{RUN_URI}/bundle",
            bundle_digest=digest("b"),
        ),
        serving.RolloutPaused(pipeline=PIPELINE, paused_by="ada", reason="looking at LGA", **rollout),
        serving.RolloutResumed(pipeline=PIPELINE, resumed_by="ada", reason="LGA is fine", **rollout),
        serving.RolloutHastened(pipeline=PIPELINE, hastened_by="ada", reason="a hotfix", **rollout),
        serving.RolloutCompleted(
            pipeline=PIPELINE,
            rollout_id=ROLLOUT,
            version=2,
            previous_version=1,
            bundle_uri=f"{RUN_URI}/bundle",
            bundle_digest=digest("b"),
            url="http://127.0.0.1:8000/flight_delays",
            replicas=2,
            duration_s=1.25,
        ),
        serving.RolloutRolledBack(
            pipeline=PIPELINE,
            serving_version=1,
            reason="errors: 9 of 120 requests failed, 2 of 2300 of version 1",
            step=0,
            promoted_at=NOON,
            verdicts=(_guard_verdict(),),
            **rollout,
        ),
        serving.RolloutCommandRefused(
            pipeline=PIPELINE,
            command=serving.PauseRollout.subject,
            command_id="c2d4",
            requested_by="ada",
            rollout_id=ROLLOUT,
            rule="rollout_over",
            detail="rollout over: state=completed",
        ),
        *(
            command(pipeline=PIPELINE, rollout_id=ROLLOUT, requested_by="ada", reason="complaints from LGA")
            for command in (
                serving.PauseRollout,
                serving.ResumeRollout,
                serving.PromoteRollout,
                serving.AbortRollout,
            )
        ),
        serving.DeploymentDiverged(pipeline=PIPELINE, since=NOON, differences=("replica r-1 answers with version 1",)),
        serving.DeploymentConverged(pipeline=PIPELINE, diverged_since=NOON, duration_s=41.5),
        serving.PredictionsServed(pipeline=PIPELINE, replica="r-1", batches=(batch,)),
    ]


def of_precompute() -> list[Message]:
    which: dict[str, Any] = {"precomputation_id": PRECOMPUTATION, "version": 2, "dataset_version": 3}
    return [
        precompute.StartPrecomputation(pipeline=PIPELINE, requested_by="ada", reason="before the holidays"),
        precompute.PrecomputationStarted(
            pipeline=PIPELINE, attempt=1, requested_by="policy:promotion", reason="version 2 answers", **which
        ),
        precompute.PrecomputationCompleted(
            pipeline=PIPELINE,
            table_uri="/srv/everloop/store/precomputed/flight_delays/table",
            delta_version=4,
            rows=27004,
            lookup_uri=f"/srv/everloop/store/precomputed/flight_delays/{PRECOMPUTATION}/lookup.sqlite",
            lookup_digest=digest("c"),
            keys=27000,
            duplicates=4,
            without_key=0,
            duration_s=9.5,
            **which,
        ),
        precompute.PrecomputationFailed(
            pipeline=PIPELINE,
            reason=precompute.PrecomputationFailure.REFUSED,
            detail="the files of the dataset version hold 27004 rows, expected [27003]",
            attempts=1,
            **which,
        ),
    ]


def of_inference() -> list[Message]:
    request = UUID("3d8e3a70-2f6c-4a55-9c43-5f2f0c1b7d04")
    about = {"request_id": request, "request_digest": digest("e")}
    return [
        inference.RequestInference(
            pipeline=PIPELINE,
            request_id=request,
            rows=({"carrier": "AA", "distance": 1400.0, "scheduled_at": NOON.isoformat()},),
            routing_key="passenger-7",
            explain=True,
        ),
        inference.InferenceCompleted(
            pipeline=PIPELINE,
            version=2,
            predictions=(
                inference.Prediction(
                    prediction_id=f"{request.hex}-0", score=0.23, attributions={"carrier": -0.3, "distance": 0.1}
                ),
            ),
            explanation=inference.Explanation(method="tree_shap", unit="log_odds", base_value=-1.0),
            **about,
        ),
        inference.InferenceFailed(
            pipeline=PIPELINE, status=400, reason="input 'distance' is FP64 and holds JSON strings", **about
        ),
    ]
