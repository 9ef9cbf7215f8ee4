"""Serving under load while its world changes: too long for a test suite, so run by hand.

::

    make soak-serving                                             # 50 promotions in 5 minutes at 200 requests a second
    make soak-serving ARGS="--replicas 2 --kill-every 20"         # and a replica is killed every 20 seconds
    python -m tests.load.overload                                 # more callers than there is room for, then calm
    python -m tests.load.registry_writers                         # eight writers on the registry for a minute
"""
