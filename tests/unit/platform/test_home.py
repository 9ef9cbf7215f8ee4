"""One directory, one supervisor; and nothing in it for other users."""

from pathlib import Path

import pytest

from everloop.platform.home import LONGEST_RAY_DIRECTORY, Home, HomeTakenError, find_home, is_locked, locked


def test_only_one_supervisor_holds_a_home(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.make()

    with locked(home):
        assert is_locked(home)
        with pytest.raises(HomeTakenError), locked(home):
            pass
    assert not is_locked(home)


def test_a_home_that_was_never_used_is_not_locked(tmp_path: Path) -> None:
    assert not is_locked(Home(tmp_path / "nowhere"))


def test_others_may_not_enter(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")

    home.make()

    assert home.root.stat().st_mode & 0o077 == 0
    assert home.ray_sessions.stat().st_mode & 0o077 == 0


def test_ray_gets_a_short_directory_below_a_deep_home(tmp_path: Path) -> None:
    deep = Home(tmp_path / ("deep" * 30))

    assert len(str(deep.ray_sessions)) <= LONGEST_RAY_DIRECTORY
    assert deep.ray_sessions != Home(tmp_path / ("other" * 30)).ray_sessions


def test_the_environment_names_the_home_unless_a_person_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERLOOP_HOME", str(tmp_path / "env"))

    assert find_home().root == tmp_path / "env"
    assert find_home(tmp_path / "asked").root == tmp_path / "asked"
