"""What MLflow's clients are told when something is wrong: a code, and a sentence."""

from enum import Enum
from http import HTTPStatus
from typing import NoReturn


class Code(Enum):
    """MLflow's error codes that are said here, each with its HTTP status (``mlflow.exceptions``)."""

    INVALID_PARAMETER_VALUE = HTTPStatus.BAD_REQUEST, "INVALID_PARAMETER_VALUE"
    RESOURCE_ALREADY_EXISTS = HTTPStatus.BAD_REQUEST, "RESOURCE_ALREADY_EXISTS"
    UNAUTHENTICATED = HTTPStatus.UNAUTHORIZED, "UNAUTHENTICATED"
    PERMISSION_DENIED = HTTPStatus.FORBIDDEN, "PERMISSION_DENIED"
    RESOURCE_DOES_NOT_EXIST = HTTPStatus.NOT_FOUND, "RESOURCE_DOES_NOT_EXIST"
    ENDPOINT_NOT_FOUND = HTTPStatus.NOT_FOUND, "ENDPOINT_NOT_FOUND"
    RESOURCE_CONFLICT = HTTPStatus.CONFLICT, "RESOURCE_CONFLICT"
    REQUEST_LIMIT_EXCEEDED = HTTPStatus.TOO_MANY_REQUESTS, "REQUEST_LIMIT_EXCEEDED"
    INTERNAL_ERROR = HTTPStatus.INTERNAL_SERVER_ERROR, "INTERNAL_ERROR"
    NOT_IMPLEMENTED = HTTPStatus.NOT_IMPLEMENTED, "NOT_IMPLEMENTED"
    TEMPORARILY_UNAVAILABLE = HTTPStatus.SERVICE_UNAVAILABLE, "TEMPORARILY_UNAVAILABLE"

    @property
    def status(self) -> HTTPStatus:
        """The HTTP status that goes with it."""
        return self.value[0]


HEADERS = {
    Code.TEMPORARILY_UNAVAILABLE: {"Retry-After": "1"},
    Code.UNAUTHENTICATED: {"WWW-Authenticate": 'Basic realm="mlflow"'},
}
"""What goes with some of them."""


class MlflowError(Exception):
    """Ends a call, and its transaction, with an error in MLflow's words."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code


def refuse_value(message: str) -> NoReturn:
    """Refuse an argument, saying what is wrong with it."""
    raise MlflowError(Code.INVALID_PARAMETER_VALUE, message)
