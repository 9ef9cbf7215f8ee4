"""What can go wrong between a program and a model it names.

ModelError
├── ModelNameError          the name can't be read
├── ModelNotFoundError      the registry says there is no such model, version or alias
└── ModelUnavailableError   neither the registry nor the cache has it now
"""


class ModelError(Exception):
    """Something a person can be told in one sentence."""


class ModelNameError(ModelError, ValueError):
    """A name that can't be read; the message says what one looks like."""


class ModelNotFoundError(ModelError, LookupError):
    """The registry was asked and says no."""


class ModelUnavailableError(ModelError, OSError):
    """It can't be had now; the message says what to do."""
