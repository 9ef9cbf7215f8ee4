"""A model that follows its alias changes between calls, and keeps what it has when the next one is no good."""

import gc
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from everloop import LoadedModel, load_model
from tests.fixtures.bundles import STEP, Bundles
from tests.fixtures.registry import RegistryServer

SOON_S = 20.0
LOOK_S = 0.02
ROW = {"x": [0.0], "stops": [0], "carrier": ["UA"]}


def wait(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + SOON_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def following() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("follow ")]


def follow() -> LoadedModel:
    return load_model("tiny@champion", follow=True, follow_s=LOOK_S)


def test_a_promotion_is_noticed_and_answers_never_mix(registry: RegistryServer, bundles: Bundles) -> None:
    asked = {"x": [0.0] * 64, "stops": [0] * 64, "carrier": ["UA"] * 64}
    seen: set[tuple[float, ...]] = set()
    over = threading.Event()
    with follow() as model:
        before = model.pinned()

        def ask() -> None:
            while not over.is_set():
                seen.add(tuple(set(model.predict(asked).tolist())))

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        registry.promote(2, bundles.write(2))
        wait(lambda: model.version == 2)
        wait(lambda: (2 * STEP,) in seen)
        over.set()
        for thread in threads:
            thread.join()

    assert seen == {(STEP,), (2 * STEP,)}
    assert (before.version, before.predict(ROW)[0]) == (1, STEP)
    assert load_model("tiny@champion", offline=True).version == 2


def test_a_version_that_is_no_good_is_told_once_and_left_alone(
    registry: RegistryServer, bundles: Bundles, caplog: pytest.LogCaptureFixture
) -> None:
    with follow() as model:
        registry.promote(2, bundles.write(2, golden_error=1.0))
        wait(lambda: "golden mismatch" in caplog.text)
        looks = len(registry.asked)
        wait(lambda: len(registry.asked) > looks + 3)

        assert (model.version, model.predict(ROW)[0]) == (1, STEP)
        assert caplog.text.count("stays at version 1") == 1
        registry.promote(3, bundles.write(3))
        wait(lambda: model.version == 3)


def test_a_registry_that_is_away_is_waited_for(
    registry: RegistryServer, bundles: Bundles, caplog: pytest.LogCaptureFixture
) -> None:
    registry.failing = True
    with pytest.raises(OSError, match="not in the cache"):
        follow()
    registry.failing = False
    with follow() as model:
        registry.failing = True
        wait(lambda: "does not answer" in caplog.text)
        registry.promote(2, bundles.write(2))
        assert model.version == 1

        registry.failing = False
        wait(lambda: model.version == 2)


def test_nobody_follows_who_was_not_asked_to(registry: RegistryServer) -> None:
    model = load_model("tiny@champion")

    assert following() == []
    model.close()


def test_a_closed_model_answers_and_follows_no_more(registry: RegistryServer, bundles: Bundles) -> None:
    model = follow()
    assert following() == ["follow tiny@champion"]

    model.close()
    wait(lambda: not following())
    registry.promote(2, bundles.write(2))

    assert (model.version, model.predict(ROW)[0]) == (1, STEP)


def test_a_forgotten_model_is_not_looked_after(registry: RegistryServer) -> None:
    model = follow()
    assert following()

    del model
    gc.collect()

    wait(lambda: not following())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_forked_child_follows_too(registry: RegistryServer, bundles: Bundles, tmp_path: Path) -> None:
    program = """
        import os, sys, time
        from everloop import load_model

        model = load_model("tiny@champion", follow=True, follow_s=0.02)
        child = os.fork()
        open(sys.argv[1], "a").close()
        deadline = time.monotonic() + 20
        while model.version != 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        if child == 0:
            os._exit(model.version)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == model.version == 2
    """
    forked = tmp_path / "forked"
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(program), str(forked)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        wait(forked.exists)
        registry.promote(2, bundles.write(2))
        _, words = process.communicate(timeout=60)

    assert process.returncode == 0, words
