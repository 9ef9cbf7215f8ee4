"""What training needs to know."""

import os
import sys
from pathlib import Path

from pydantic import Field

from services.chassis.settings import ServiceSettings, settings_for


def _ray_token_path() -> Path | None:
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    return Path(named) if named else None


class TrainingSettings(ServiceSettings):
    """Settings of the training service."""

    model_config = settings_for("training")

    ray_url: str = Field(default="http://127.0.0.1:8265", description="Ray's dashboard, which serves its Jobs API.")
    ray_token_path: Path | None = Field(
        default_factory=_ray_token_path, description="File with Ray's token; unset: RAY_AUTH_TOKEN_PATH."
    )
    job_python: str = Field(default=sys.executable, description="The interpreter that runs jobs on the cluster.")
    job_cache: Path | None = Field(
        default=None, description="Where cluster nodes unpack code; unset: the folder code of the home."
    )
    poll_interval_s: float = Field(default=0.5, gt=0, description="Between two looks at a running job.")
    progress_interval_s: float = Field(default=2, ge=0, description="Least time between progress events of one stage.")
