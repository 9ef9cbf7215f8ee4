from contextlib import suppress
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


def test_what_is_written_in_pieces_is_there_once_all_of_it_is(tmp_path: Path) -> None:
    uri = str(tmp_path / "deep" / "file")

    with storage.writing(uri) as file:
        file.write(b"first ")
        file.write(b"second")
        assert not storage.exists(uri)
        assert storage.entries(str(tmp_path / "deep")) == ()

    assert b"".join(storage.chunks(uri)) == b"first second"


def test_pieces_that_break_off_leave_what_was_there(tmp_path: Path) -> None:
    storage.write_bytes(str(tmp_path / "file"), b"before")

    with suppress(ZeroDivisionError), storage.writing(str(tmp_path / "file")) as file:
        file.write(b"after")
        raise ZeroDivisionError

    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"before")]


def _sized(entry: storage.Entry | None) -> tuple[str, int | None] | None:
    return (entry.name, entry.size_bytes) if entry else None


def test_elsewhere_too_all_of_it_is_kept_or_nothing() -> None:
    whole, broken = "mock:///whole", "mock:///broken"

    with storage.writing(whole) as file:
        file.write(b"first ")
        file.write(b"second")
    with suppress(ZeroDivisionError), storage.writing(broken) as file:
        file.write(b"first ")
        raise ZeroDivisionError

    assert b"".join(storage.chunks(whole)) == b"first second"
    assert (_sized(storage.find(whole)), storage.find(broken)) == (("whole", 12), None)
    storage.delete(whole)
    assert storage.find(whole) is None


def test_a_directory_tells_what_is_in_it(tmp_path: Path) -> None:
    storage.write_bytes(str(tmp_path / "b"), b"xyz")
    storage.write_bytes(str(tmp_path / "a" / "below"), b"")

    assert [_sized(entry) for entry in storage.entries(str(tmp_path))] == [("a", None), ("b", 3)]
    assert storage.entries(str(tmp_path / "b")) == storage.entries(str(tmp_path / "c")) == ()
    found = [storage.find(str(tmp_path / name)) for name in "abc"]
    assert [_sized(entry) for entry in found] == [("a", None), ("b", 3), None]


def test_deleting_takes_all_below_and_nothing_beside(tmp_path: Path) -> None:
    for name in ("a/b", "a/c/d", "e", "f"):
        storage.write_bytes(str(tmp_path / name), b"x")
    (tmp_path / "a" / "beside").symlink_to(tmp_path / "e")

    storage.delete(str(tmp_path / "a"))
    storage.delete(str(tmp_path / "f"))

    assert storage.list(str(tmp_path)) == ("e",)
    with pytest.raises(storage.StorageError, match=r"cannot delete .*: nothing is there"):
        storage.delete(str(tmp_path / "f"))
