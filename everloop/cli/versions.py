"""One version, printed with everything the registry knows of it."""

from typing import TYPE_CHECKING, Any

from everloop.cli.output import commit_of, gate_name, metrics, pairs, say, short, table, when

if TYPE_CHECKING:
    from collections.abc import Mapping


def show_version(model: str, found: "Mapping[str, Any]") -> None:
    """Print what a version is made of, as the registry shows it: parameters, gates, decision, files."""
    from everloop.client.records import is_logged

    say(f"[bold]{model} {found['version']}[/bold]  {found['state']} {' '.join(found['aliases'])}")
    if is_logged(found):
        _show_logged(found)
        return
    made, decision = found["lineage"], found["decision"]
    pairs(
        {
            "bundle": f"{found['bundle_uri']}\n{found['bundle_digest']}",
            "run": made["run_id"],
            "dataset": f"version {made['dataset']['version']}, {made['dataset']['digest']}\n"
            f"{made['dataset']['table_uri']} @ {made['dataset']['delta_version']}",
            "code": f"{made['code_digest']}\n{commit_of(made)}".rstrip(),
            "environment": made["environment_digest"],
            "seed": made["seed"],
            "parameters": "  ".join(f"{name}={value}" for name, value in made["parameters"].items()) or None,
            "metrics": metrics(found["metrics"]),
            "champion then": found["champion_version"]
            and f"{found['champion_version']}: {metrics(found['champion_metrics'])}",
            "approved": "\n".join(
                f"by {one['by']} at {when(one['at'])}: {one['reason']}" for one in found.get("approvals", ())
            )
            or None,
            "waits for": _waits_for(found),
            "files": found["collected_at"] and f"collected at {when(found['collected_at'])}",
            "decided": decision and f"by {decision['by']} at {when(decision['at'])}: {decision['reason']}",
        }
    )
    table(
        ("Gate", "Passed", "Explanation"),
        ((gate_name(one), "yes" if one["passed"] else "no", one["explanation"]) for one in found["verdicts"]),
    )
    table(
        ("File", "Bytes", "Digest"),
        ((one["path"], one["size_bytes"], short(one["digest"])) for one in found["manifest"]["files"]),
    )


def _show_logged(found: "Mapping[str, Any]") -> None:
    """Print what is known of a version that no pipeline made."""
    decision = found["decision"]
    pairs(
        {
            "logged": f"{found['source']}\nby MLflow run {found['run_id'] or 'unknown'}",
            "bundle": found["bundle_uri"] and f"{found['bundle_uri']}\n{found['bundle_digest']}",
            "served": found["serving"],
            "not known": found["untold"],
            "metrics": metrics(found["metrics"]),
            "decided": decision and f"by {decision['by']} at {when(decision['at'])}: {decision['reason']}",
        }
    )


def _waits_for(version: "Mapping[str, Any]") -> str | None:
    """Say whose approval a version waits for, and until when."""
    if not (missing := version.get("approvals_missing")):
        return None
    people = others(missing) if version["approvals"] else "1 person" if missing == 1 else f"{missing} people"
    return f"{people} to approve" + (f", until {when(version['expires_at'])}" if version["expires_at"] else "")


def others(count: int) -> str:
    """Count other people."""
    return "1 other person" if count == 1 else f"{count} other people"
