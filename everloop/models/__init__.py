"""A model as a dependency: named, fetched once, verified every time, asked in the same process.

Needs nothing but ``pip install everloop``: no platform, no Ray. A registry answers names::

    >>> from everloop import load_model
    >>> model = load_model("flight_delays@champion")
    >>> model.version
    3
    >>> flight = {"carrier": "UA", "origin": "EWR", "departure_minute": 1065, "weekday": 4,
    ...           "duration_minutes": 170, "distance_miles": 719}
    >>> score, = model.predict([flight])
    >>> bool(0 < score < 1)
    True

With ``follow=True`` it changes to the next champion by itself, between two calls::

    >>> with load_model("flight_delays@champion", follow=True) as model:
    ...     scores = model.predict([flight, flight])
    >>> scores.shape
    (2,)

Without a network the last known meaning of the name is taken from the cache, with a warning in the log; with
``offline=True`` nobody is asked at all::

    >>> load_model("flight_delays@champion", offline=True).resolved.version
    3

The cache is ``~/.cache/everloop``, or where ``EVERLOOP_CACHE`` says. It keeps ``EVERLOOP_CACHE_MAX_BYTES`` (2 GiB) of
the bundles used last and may be deleted at any time.
"""

from everloop.models.errors import ModelError, ModelNameError, ModelNotFoundError, ModelUnavailableError
from everloop.models.loaded import LoadedModel
from everloop.models.loading import load_model
from everloop.models.registry import Resolved

__all__ = [
    "LoadedModel",
    "ModelError",
    "ModelNameError",
    "ModelNotFoundError",
    "ModelUnavailableError",
    "Resolved",
    "load_model",
]
