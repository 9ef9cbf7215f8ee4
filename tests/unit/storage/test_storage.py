from pathlib import Path

import pytest

from everloop import storage


def test_bytes_come_back_from_a_path_and_from_a_file_uri(tmp_path: Path) -> None:
    storage.write_bytes(str(tmp_path / "a" / "b.bin"), b"first")
    storage.write_bytes(f"file://{tmp_path}/a/b.bin", b"second")

    assert storage.read_bytes(str(tmp_path / "a" / "b.bin")) == b"second"
    assert storage.list(str(tmp_path)) == ("a/b.bin",)


def test_content_is_kept_once_under_its_digest(tmp_path: Path) -> None:
    uri = storage.write_once(str(tmp_path), b"hello", suffix=".txt")
    first = (tmp_path / storage.name(uri)).stat()

    again = storage.write_once(str(tmp_path), b"hello", suffix=".txt")

    assert again == uri
    assert (tmp_path / storage.name(uri)).stat().st_mtime_ns == first.st_mtime_ns
    assert storage.digest(b"hello") == f"sha256:{storage.name(uri).removesuffix('.txt')}"


def test_files_travel_both_ways(tmp_path: Path) -> None:
    here, there, back = tmp_path / "here", tmp_path / "deep" / "there", tmp_path / "other" / "back"
    here.write_bytes(b"x" * 3_000_000)

    storage.put_file(here, str(there))
    storage.get_file(str(there), back)

    assert storage.digest_file(back) == storage.digest(here.read_bytes())
    assert [path.name for path in there.parent.iterdir()] == ["there"]


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    uri = str(tmp_path / "nowhere")

    with pytest.raises(storage.StorageError, match=f"cannot read {uri}: nothing is there"):
        storage.read_bytes(uri)
    assert not storage.exists(uri)
    assert storage.list(uri) == ()


@pytest.mark.parametrize("uri", ["relative/path", "nonsense://bucket/key"])
def test_an_address_that_cannot_be_opened_is_refused(uri: str) -> None:
    with pytest.raises(storage.StorageError):
        storage.read_bytes(uri)


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()

    with pytest.raises(storage.StorageError, match="cannot write"):
        storage.write_bytes(str(tmp_path / "taken"), b"bytes")

    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
