from pathlib import Path

from everloop.bundle.code import snapshot
from everloop.export.needs import needs

FILES = {
    "pipeline.py": "import json, pyarrow.compute as pc\nfrom everloop import Pipeline\nfrom . import times\n",
    "times.py": "from .deep.lookup import table\ndef late():\n    import yaml\n",
    "deep/lookup.py": "from httpx import get\nfrom .. import times\n",
    "download.py": "import lightgbm\n",
}


def test_what_the_feature_code_imports_is_needed_and_nothing_else(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    assert needs(snapshot(tmp_path)) == {"pyarrow", "pyyaml", "httpx"}
