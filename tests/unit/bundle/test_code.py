from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from zipfile import ZipFile

import pytest

from everloop.bundle.code import PIPELINE, load_pipeline, snapshot, unpack
from everloop.bundle.manifest import BundleError
from everloop.template import new_pipeline


def test_equal_code_gives_equal_bytes_wherever_it_lies(tmp_path: Path) -> None:
    one, other = new_pipeline("parcels", tmp_path / "one"), new_pipeline("parcels", tmp_path / "other")
    (other / "__pycache__").mkdir()
    (other / "__pycache__" / "pipeline.cpython-311.pyc").write_bytes(b"cache")
    (other / ".hidden").write_text("secret")
    (other / "sample.csv").write_text("parcel_id\n")

    assert snapshot(one) == snapshot(other)


def test_a_changed_line_gives_other_bytes(tmp_path: Path) -> None:
    folder = new_pipeline("parcels", tmp_path)
    before = snapshot(folder)
    with (folder / "pipeline.py").open("a") as file:
        file.write("\nnoted = True\n")

    assert snapshot(folder) != before


def test_a_snapshot_holds_the_pipeline_and_the_jobs_but_no_service(tmp_path: Path) -> None:
    (tmp_path / "code.zip").write_bytes(snapshot(new_pipeline("parcels", tmp_path)))

    names = set(ZipFile(tmp_path / "code.zip").namelist())

    assert {"pipeline/pipeline.py", "platform/ray_jobs/train.py", "platform/everloop/bundle/model.py"} <= names
    assert not [name for name in names if "services" in name or "/pipelines/" in name or "/cli/" in name]


def test_two_versions_of_a_pipeline_live_side_by_side(tmp_path: Path) -> None:
    one, other = new_pipeline("parcels", tmp_path / "one"), new_pipeline("parcels", tmp_path / "other")
    source = (other / "pipeline.py").read_text()
    (other / "sizes.py").write_text("LABEL = 'Whether a parcel is heavy.'\n")
    (other / "pipeline.py").write_text(
        source.replace("from everloop import", "from .sizes import LABEL\nfrom everloop import", 1).replace(
            '"Whether a parcel arrives late."', "LABEL"
        )
    )

    descriptions = [load_pipeline(folder).definition.description for folder in (one, other)]

    assert descriptions == ["Whether a parcel arrives late.", "Whether a parcel is heavy."]


@pytest.mark.parametrize(
    ("source", "slug"),
    [("import nothing_of_this_name", "pipeline_fails"), ("pipeline = 3", "no_pipeline"), (None, "no_pipeline")],
)
def test_a_file_that_is_no_pipeline_is_refused(tmp_path: Path, source: str | None, slug: str) -> None:
    if source is not None:
        (tmp_path / "pipeline.py").write_text(source)

    with pytest.raises(BundleError) as refusal:
        load_pipeline(tmp_path)

    assert refusal.value.slug == slug


def test_a_snapshot_cannot_write_outside_of_its_directory(tmp_path: Path) -> None:
    with ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../escaped.py", "")

    with pytest.raises(BundleError, match="points outside"):
        unpack((tmp_path / "evil.zip").read_bytes(), tmp_path / "into")

    assert not (tmp_path / "escaped.py").exists()


def test_one_part_of_a_snapshot_is_unpacked_alone(tmp_path: Path) -> None:
    (tmp_path / "parcels").mkdir()
    (tmp_path / "parcels" / "pipeline.py").write_text("")

    unpack(snapshot(tmp_path / "parcels"), tmp_path / "into", PIPELINE)

    assert [path.relative_to(tmp_path / "into") for path in (tmp_path / "into").rglob("*.py")] == [
        Path("pipeline/pipeline.py")
    ]


def test_pipelines_are_imported_by_threads_at_once(tmp_path: Path) -> None:
    """Others' imports once changed what one thread was looking through."""
    folders = [tmp_path / str(number) for number in range(40)]
    for folder in folders:
        new_pipeline("parcels", folder)

    with ThreadPoolExecutor(8) as threads:
        loaded = list(threads.map(lambda folder: load_pipeline(folder / "parcels"), folders))

    assert {pipeline.definition.name for pipeline in loaded} == {"parcels"}
