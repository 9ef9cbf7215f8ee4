from contextlib import nullcontext
from pathlib import Path

from contracts.jobs import Progress
from ray_jobs.progress import Stages


def test_lines_follow_each_other_over_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    with Stages(str(path), lambda _: nullcontext()).stage("fit", 0.2, 0.6) as tell:
        tell(0.5, {"loss": 0.1})
    restarted = Stages(str(path), lambda _: nullcontext())
    with restarted.stage("read", 0.0, 0.2):
        pass

    lines = [Progress.model_validate_json(line) for line in path.read_text().splitlines()]

    assert [(line.stage, round(line.fraction, 6)) for line in lines] == [("fit", 0.2), ("fit", 0.4), ("read", 0.0)]
    assert lines[1].metrics == {"loss": 0.1}
    assert list(restarted.seconds) == ["read"]
