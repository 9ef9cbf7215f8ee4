"""The model card: what a person should know before trusting a version. Written from facts, without a clock."""

from collections.abc import Mapping, Sequence

from contracts.bundle import AttributionUnit, ExplanationMethod, Importance, Lineage
from contracts.jobs import SliceMetrics, SplitReport
from contracts.pipeline import PipelineDefinition


def write_card(
    definition: PipelineDefinition,
    lineage: Lineage,
    splits: Mapping[str, SplitReport],
    metrics: Mapping[str, float],
    slices: Sequence[SliceMetrics],
    importance: Importance,
) -> str:
    """Write the card as Markdown."""
    dataset, label = lineage.dataset, definition.dataset.label
    sections = [
        f"# {definition.name}",
        definition.description or "No description was given.",
        "## What it answers",
        f"{definition.objective.value.replace('_', ' ').capitalize()} of `{label.name}`"
        f"{f': {label.description}' if label.description else ''}.",
        "## What it is asked with",
        _table(
            ("column", "type", "may be null", "meaning"),
            [
                (f"`{column.name}`", column.type.value, "yes" if column.nullable else "no", column.description)
                for column in definition.dataset.features
            ],
        ),
        "## What it learned from",
        f"Dataset version {dataset.version}, cut by `{definition.dataset.event_time.name}`; rows whose label never "
        "became known were left out. Preparation was fitted on the training rows only.",
        _table(
            ("part", "rows", "from", "to"),
            [
                (name, f"{part.rows:,}", f"{part.start:%Y-%m-%d}", f"{part.end:%Y-%m-%d}")
                for name, part in splits.items()
            ],
        ),
        "## How good it is, on the held-out rows",
        _table(("metric", "value"), [(name, f"{value:.4f}") for name, value in sorted(metrics.items())]),
        *_slices(slices),
        "## What it looks at",
        _METHODS[importance.method].format(rows=f"{importance.rows:,}", unit=_UNITS[importance.unit]),
        _importance(importance),
        "## Where it came from",
        _table(
            ("what", "value"),
            [
                ("run", f"`{lineage.run_id}`"),
                ("dataset", f"`{dataset.digest}`"),
                ("code", f"`{lineage.code_digest}`"),
                ("commit", _commit(lineage)),
                ("environment", f"`{lineage.environment_digest}`"),
                ("trainer", definition.trainer.name.value),
                ("parameters", ", ".join(f"{name}={value}" for name, value in sorted(lineage.parameters.items()))),
                ("seed", str(lineage.seed)),
            ],
        ),
    ]
    return "\n\n".join(sections) + "\n"


_UNITS = {
    AttributionUnit.LOG_ODDS: "log-odds, where adding 0.7 doubles the odds",
    AttributionUnit.SCORE: "the score's unit",
}
_METHODS = {
    ExplanationMethod.TREE_SHAP: "Mean absolute attribution over {rows} held-out rows, in {unit}: exact Shapley values "
    "of the trees (TreeSHAP).",
    ExplanationMethod.SAMPLED_SHAPLEY: "Mean absolute attribution over {rows} held-out rows, in {unit}: sampled "
    "Shapley values, measured from training rows.",
}
BAR_WIDTH = 20


def _commit(lineage: Lineage) -> str:
    if lineage.commit is None:
        return "none"
    return f"`{lineage.commit}`" + (" with changes that were not committed" if lineage.modified else "")


def _importance(importance: Importance) -> str:
    largest = importance.features[0].mean_absolute or 1.0
    rows = [
        (f"`{one.name}`", f"{one.mean_absolute:.4f}", "█" * round(BAR_WIDTH * one.mean_absolute / largest))
        for one in importance.features
    ]
    return _table(("column of the model", "moves the answer by", ""), rows)


def _slices(slices: Sequence[SliceMetrics]) -> list[str]:
    if not slices:
        return []
    names = sorted({name for part in slices for name in part.metrics})
    rows = [
        (f"{part.column} = {part.value}", f"{part.rows:,}", *(_number(part.metrics.get(name)) for name in names))
        for part in slices
    ]
    return ["## By slice", _table(("slice", "rows", *names), rows)]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
