"""Measures what gates judge by beyond the usual metrics. What takes long is measured where a gate asks for it."""

import numpy as np
import pyarrow as pa

from contracts.bundle import Signature
from contracts.gates import AbsoluteGate, ChampionGate, CostGate, Gate, LeakageGate
from contracts.jobs import ChampionComparison, Confusion
from contracts.model import Digest, Uri
from contracts.pipeline import MetricName, PipelineDefinition
from everloop.bundle.preparation import numbers
from everloop.bundle.rows import SCORE
from everloop.bundle.signatures import signature_breaks
from ray_jobs.evaluate import Score, evaluate_slices
from ray_jobs.footprint import latencies_ms, memory_bytes
from ray_jobs.resampling import Answers, Interval, differences

Gates = tuple[Gate, ...]


def compare(
    candidate: pa.Table,
    champion: pa.Table,
    signatures: tuple[Signature, Signature],
    definition: PipelineDefinition,
    *,
    seed: int,
) -> ChampionComparison:
    """Hold a candidate against the champion.

    Args:
        candidate: The held-out rows with their label, event time and the candidate's score.
        champion: The same rows in the same order, with the champion's.
        signatures: The candidate's and the champion's.
        definition: The pipeline.
        seed: Of the resampling.
    """
    own, rivals = signatures
    return ChampionComparison(
        slices=evaluate_slices(champion, definition),
        differences=differences(
            _intervals(definition.promotion.gates),
            Answers(
                labels=numbers(candidate[definition.dataset.label.name]),
                candidate=candidate[SCORE].to_numpy(),
                champion=champion[SCORE].to_numpy(),
                event_times_s=candidate[definition.dataset.event_time.name].cast(pa.int64()).to_numpy() / 1e6,
            ),
            seed=seed,
        ),
        confusions=confusions(champion, definition),
        signature_breaks=signature_breaks(rivals, own),
    )


def confusions(scored: pa.Table, definition: PipelineDefinition) -> tuple[Confusion, ...]:
    """Count the mistakes among rows that carry their label and ``score``, at every threshold that a gate acts from."""
    thresholds = sorted({gate.acts_from for gate in definition.promotion.gates if isinstance(gate, CostGate)})
    labels, scores = numbers(scored[definition.dataset.label.name]) == 1, scored[SCORE].to_numpy()
    found = []
    for threshold in thresholds:
        acted = scores >= threshold
        found.append(
            Confusion(
                threshold=threshold,
                true_positives=int(np.sum(acted & labels)),
                false_positives=int(np.sum(acted & ~labels)),
                true_negatives=int(np.sum(~acted & ~labels)),
                false_negatives=int(np.sum(~acted & labels)),
            )
        )
    return tuple(found)


def asks_for_leakage(gates: Gates) -> bool:
    """Tell whether a gate wants to know what could have been known."""
    return any(isinstance(gate, LeakageGate) for gate in gates)


def running_costs(
    names: set[MetricName], ask: Score, rows: pa.Table, bundle_uri: Uri, digest: Digest
) -> dict[MetricName, float]:
    """Measure of running a version what is named among ``latency_ms``, ``latency_p99_ms`` and ``memory_bytes``."""
    found: dict[MetricName, float] = {}
    if names & {"latency_ms", "latency_p99_ms"}:
        found |= latencies_ms(ask, rows)
    if "memory_bytes" in names:
        found["memory_bytes"] = memory_bytes(bundle_uri, digest)
    return {name: value for name, value in found.items() if name in names}


def metrics_named(gates: Gates, kind: type[AbsoluteGate] | type[ChampionGate]) -> set[MetricName]:
    """List the metrics that gates of a kind hold against something."""
    return {gate.metric for gate in gates if isinstance(gate, kind)}


def _intervals(gates: Gates) -> tuple[Interval, ...]:
    asked = [
        Interval(gate.metric, gate.confidence, gate.block)
        for gate in gates
        if isinstance(gate, ChampionGate) and gate.confidence is not None
    ]
    return tuple(dict.fromkeys(asked))
