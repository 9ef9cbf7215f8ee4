"""A name becomes a model: verified every time, from the cache when nobody answers, never silently another version."""

import logging
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from subprocess import PIPE

import pytest

from everloop import load_model
from everloop.bundle.manifest import BundleError
from everloop.models import ModelError, ModelNotFoundError, ModelUnavailableError
from everloop.models.cache import Cache
from tests.fixtures.bundles import STEP, Bundles
from tests.fixtures.registry import RegistryServer

ROWS = {"x": [1.0, 2.5], "stops": [0, None], "carrier": ["UA", "other"]}


def files(cache_dir: Path, name: str = "model.onnx") -> list[Path]:
    return sorted((cache_dir / "bundles").glob(f"*/{name}"))


def keep(cache: Cache, bundle: tuple[str, str]) -> None:
    with cache.fetching(*bundle):
        pass


def test_an_alias_is_the_version_it_points_at(registry: RegistryServer, bundles: Bundles) -> None:
    registry.promote(2, bundles.write(2))

    champion, previous, second = (load_model(f"tiny{which}") for which in ("@champion", "@previous", "/2"))

    assert [champion.version, previous.version, second.version] == [2, 1, 2]
    assert champion.predict(ROWS).tolist() == [1 + 2 * STEP, 2.5 + 2 * STEP]
    assert previous.predict(ROWS).tolist() == [1 + STEP, 2.5 + STEP]
    assert champion.card == "# Tiny\n"
    assert champion.lineage.seed == 17
    assert [spec.name for spec in champion.signature.inputs] == ["x", "stops", "carrier"]
    assert champion.resolved.registry == registry.url


def test_a_bundle_is_fetched_once(registry: RegistryServer, bundles: Bundles, cache_dir: Path, tmp_path: Path) -> None:
    uri, digest = bundles.write(1)
    moved = shutil.copytree(uri, tmp_path / "moved")
    registry.promote(1, (str(moved), digest))
    load_model("tiny")
    (moved / "model.onnx").unlink()

    assert load_model("tiny").predict(ROWS)[0] == 1 + STEP
    assert len(files(cache_dir)) == 1


def test_a_flipped_byte_is_noticed_and_fetched_again(
    registry: RegistryServer, cache_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    load_model("tiny")
    (model,) = files(cache_dir)
    whole = model.read_bytes()
    model.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))

    assert load_model("tiny").predict(ROWS)[0] == 1 + STEP
    assert files(cache_dir)[0].read_bytes() == whole
    assert "damaged" in caplog.text


def test_offline_a_flipped_byte_is_refused(registry: RegistryServer, cache_dir: Path) -> None:
    load_model("tiny")
    (card,) = files(cache_dir, "card.md")
    card.write_text("# Giant")

    with pytest.raises(ModelUnavailableError, match="damaged in the cache"):
        load_model("tiny", offline=True)


def test_without_the_registry_the_last_known_version_is_used_with_a_warning(
    registry: RegistryServer, bundles: Bundles, caplog: pytest.LogCaptureFixture
) -> None:
    known = load_model("tiny@champion").resolved
    registry.promote(2, bundles.write(2))
    registry.stop()

    model = load_model("tiny@champion")

    assert model.version == 1
    assert model.resolved == known
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "does not answer" in warning.message
    assert f"version 1, as of {known.known_at.isoformat('T', 'seconds')}" in warning.message


def test_a_registry_that_fails_is_as_good_as_none(registry: RegistryServer) -> None:
    load_model("tiny")
    registry.failing = True

    assert load_model("tiny").version == 1


def test_offline_nobody_is_asked(registry: RegistryServer) -> None:
    load_model("tiny@champion")
    asked = len(registry.asked)

    assert load_model("tiny@champion", offline=True).version == 1
    assert len(registry.asked) == asked


def test_a_name_never_asked_for_is_not_guessed(registry: RegistryServer) -> None:
    load_model("tiny@champion")

    for name in ("tiny@previous", "tiny/1"):
        with pytest.raises(ModelUnavailableError, match="load it once while the registry answers"):
            load_model(name, offline=True)


def test_what_one_registry_said_is_not_taken_for_another(registry: RegistryServer) -> None:
    load_model("tiny")

    with pytest.raises(ModelUnavailableError):
        load_model("tiny", registry="http://127.0.0.1:9")


def test_what_the_registry_does_not_know_is_no_matter_of_the_cache(registry: RegistryServer) -> None:
    load_model("tiny@champion")
    registry.aliases["champion"] = None

    with pytest.raises(ModelNotFoundError, match="has no champion"):
        load_model("tiny@champion")
    with pytest.raises(ModelNotFoundError, match="nothing is at"):
        load_model("giant@champion")


def test_without_a_platform_and_a_cache_one_sentence_says_what_to_do(cache_dir: Path) -> None:
    with pytest.raises(ModelUnavailableError, match=r"no platform runs .*load it once .*EVERLOOP_REGISTRY_URL"):
        load_model("tiny@champion")


def test_other_bytes_than_the_registry_knows_are_refused(registry: RegistryServer, bundles: Bundles) -> None:
    registry.promote(2, (bundles.write(2)[0], bundles.write(1)[1]))

    with pytest.raises(BundleError, match="digest mismatch"):
        load_model("tiny")


def test_a_model_that_answers_otherwise_than_in_training_is_refused(registry: RegistryServer, bundles: Bundles) -> None:
    registry.promote(2, bundles.write(2, golden_error=0.5))

    with pytest.raises(BundleError, match="golden mismatch"):
        load_model("tiny")
    assert load_model("tiny/1").version == 1


def test_a_bundle_needs_no_registry(bundles: Bundles, cache_dir: Path) -> None:
    uri, digest = bundles.write(3)

    for name in (uri, Path(uri), f"file://{uri}"):
        assert load_model(name, digest).predict(ROWS)[0] == 1 + 3 * STEP
    assert load_model(uri, offline=True).version is None
    assert not cache_dir.exists()


@pytest.mark.parametrize(
    "options", [{"offline": True, "follow": True}, {"digest": "sha256:" + "0" * 64}, {"name": "tiny/1", "follow": True}]
)
def test_what_contradicts_itself_is_refused(cache_dir: Path, options: dict[str, object]) -> None:
    with pytest.raises(ModelError):
        load_model(**{"name": "tiny@champion", **options})  # type: ignore[arg-type]


def test_processes_that_mend_the_cache_at_once_disturb_each_other_not(
    registry: RegistryServer, cache_dir: Path
) -> None:
    load_model("tiny")
    files(cache_dir)[0].write_bytes(b"no model")
    program = "import sys; from everloop import load_model; sys.stdin.read(1)\n" + (
        "for _ in range(3): assert load_model('tiny').predict({'x': [0.0], 'stops': [0], 'carrier': ['UA']})[0] == 1000"
    )
    command = [sys.executable, "-c", program]
    processes = [subprocess.Popen(command, stdin=PIPE, stderr=PIPE, text=True) for _ in range(3)]
    words = []
    for process in processes:
        assert process.stdin
        process.stdin.write("go")
        process.stdin.flush()
    for process in processes:
        words.append(process.communicate(timeout=60)[1])

    assert [process.returncode for process in processes] == [0, 0, 0], words
    assert [path.name.startswith(".") for path in (cache_dir / "bundles").iterdir()] == [False]


def test_threads_that_load_at_once_disturb_each_other_not(registry: RegistryServer) -> None:
    together, answers = threading.Barrier(6), []

    def load() -> None:
        together.wait()
        answers.append(load_model("tiny").predict(ROWS)[0])

    threads = [threading.Thread(target=load) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == [1 + STEP] * 6


def test_a_cache_that_cannot_be_written_is_read(
    registry: RegistryServer, cache_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    load_model("tiny")
    (cache_dir / "names").rename(cache_dir / "elsewhere")
    (cache_dir / "names").write_text("in the way")

    assert load_model("tiny").version == 1
    assert "could not be noted" in caplog.text

    monkeypatch.setenv("EVERLOOP_CACHE", str(cache_dir / "names" / "below"))
    with pytest.raises(ModelUnavailableError, match=r"can't be written.*set EVERLOOP_CACHE"):
        load_model("tiny")


def test_the_bundle_used_longest_ago_makes_room(bundles: Bundles, tmp_path: Path) -> None:
    first, second, third = (bundles.write(number) for number in (1, 2, 3))
    size = sum(path.stat().st_size for path in Path(first[0]).iterdir())
    cache = Cache(tmp_path, int(2.5 * size))
    for bundle in (first, second):
        keep(cache, bundle)
    os.utime(cache.place(first[1]), (2e9, 2e9))
    os.utime(cache.place(second[1]), (1e9, 1e9))

    keep(cache, third)

    assert [cache.holds(digest) for _, digest in (first, second, third)] == [True, False, True]
