"""Names are free text to MLflow's clients; messages, subjects and serving need a pipeline's name."""

import re
from hashlib import sha256

from contracts.model import PipelineName

LONGEST = 63
_KEY = re.compile(r"[a-z][a-z0-9_]{0,62}")
_DIGITS = 8


def key_of(name: str) -> PipelineName:
    """Find the key of a model or an experiment.

    Args:
        name: Its name, any text.

    Returns:
        The name itself if it could be a pipeline's; otherwise something like it, and a digest that tells it from
        names that look alike.
    """
    if _KEY.fullmatch(name):
        return name
    slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    letters = slug if slug[:1].isalpha() else f"x_{slug}".rstrip("_")
    digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
    return f"{letters[: LONGEST - _DIGITS - 1]}_{digest}"
