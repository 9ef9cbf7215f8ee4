"""Channels are declared in the settings; what is secret stays out of everything that can be read."""

from typing import Any

import pytest
from pydantic import ValidationError

from services.chassis.settings import SettingsError
from services.monitoring.settings import MonitoringSettings

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
WEBHOOK = {"type": "webhook", "url": "https://hooks.example.org/T0KEN", "secret": SECRET}
SLACK = {"type": "slack", "url": "https://hooks.example.org/T0KEN"}
EMAIL = {
    "type": "email",
    "host": "mail.example.org",
    "username": "everloop",
    "password": "hunter2",
    "sender": "everloop@example.org",
    "recipients": ["ada@example.org"],
}


def settings(**channels: Any) -> MonitoringSettings:
    return MonitoringSettings(channels=channels)


def test_channels_come_from_the_file_and_secrets_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    file = tmp_path / "everloop.toml"
    file.write_text(
        '[monitoring]\nalert_attempts = 3\nalert_severities = { version_rejected = "warning" }\n'
        '[monitoring.channels.oncall]\ntype = "webhook"\nurl = "env:HOOK_URL"\nsecret = "env:HOOK_SECRET"\n'
        'min_severity = "critical"\npipelines = ["flight_delays"]\n'
    )
    monkeypatch.setenv("EVERLOOP_CONFIG", str(file))
    monkeypatch.setenv("HOOK_URL", WEBHOOK["url"])
    monkeypatch.setenv("HOOK_SECRET", SECRET)

    loaded = MonitoringSettings.load()

    assert loaded == MonitoringSettings(
        alert_attempts=3,
        alert_severities={"version_rejected": "warning"},
        channels={"oncall": {**WEBHOOK, "min_severity": "critical", "pipelines": ["flight_delays"]}},
    )
    assert loaded.routing().routes["oncall"].pipelines == {"flight_delays"}


@pytest.mark.parametrize("channel", [WEBHOOK, SLACK, EMAIL])
def test_no_secret_is_in_what_settings_print(channel: dict[str, Any]) -> None:
    kept = settings(one=channel)

    for printed in (repr(kept), str(kept.model_dump()), kept.model_dump_json()):
        assert "T0KEN" not in printed
        assert SECRET not in printed
        assert "hunter2" not in printed


@pytest.mark.parametrize(
    ("channel", "why"),
    [
        ({**WEBHOOK, "url": "http://hooks.example.org/T0KEN"}, "in the clear"),
        ({**SLACK, "url": "http://10.0.0.8/T0KEN"}, "in the clear"),
        ({**EMAIL, "security": "none"}, "in the clear"),
        ({**WEBHOOK, "url": "ftp://hooks.example.org/T0KEN"}, "must be https"),
        ({**WEBHOOK, "url": "https://[T0KEN"}, "cannot be read"),
        ({**WEBHOOK, "secret": "hunter2"}, "whsec_ and base64"),
        ({**WEBHOOK, "secret": "whsec_hunter2"}, "whsec_ and base64"),
        ({**WEBHOOK, "secret": "env:NOT_SET_ANYWHERE"}, "has no NOT_SET_ANYWHERE"),
        ({**EMAIL, "username": None}, "go together"),
        ({**EMAIL, "recipients": ["ada@example.org\nBcc: eve@example.org"]}, "recipients"),
        ({**EMAIL, "recipients": []}, "recipients"),
        ({**SLACK, "colour": "red"}, "colour"),
    ],
)
def test_what_is_wrong_is_refused_without_being_repeated(
    channel: dict[str, Any], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import json

    monkeypatch.setenv("EVERLOOP_MONITORING_CHANNELS", json.dumps({"one": channel}))

    with pytest.raises(SettingsError, match=why) as refused:
        MonitoringSettings.load()

    assert "T0KEN" not in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9000/x", "http://localhost/x", "http://[::1]:80/x"])
def test_on_this_machine_http_will_do(url: str) -> None:
    assert settings(one={**SLACK, "url": url}).channels.keys() == {"one"}


def test_in_the_clear_is_allowed_by_a_setting_only() -> None:
    plain = {**SLACK, "url": "http://hooks.internal/x"}

    assert MonitoringSettings(channels={"one": plain}, allow_channels_in_the_clear=True).channels
    with pytest.raises(ValidationError):
        settings(one=plain)
