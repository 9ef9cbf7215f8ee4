"""Where the registry means to answer otherwise than a stock server, and why."""

from collections.abc import Mapping

from tests.conformance.mlflow.answers import Answer

FIELDS: Mapping[str, str] = {
    "workspace": "Everloop has no workspaces; clients take a missing one for the default.",
}
"""Fields that are not told at all."""


def _error(status: int, code: str) -> Answer:
    return Answer(status, {"error_code": code})


REFUSED = _error(400, "INVALID_PARAMETER_VALUE")
UNKNOWN = _error(404, "ENDPOINT_NOT_FOUND")
GATED = _error(403, "PERMISSION_DENIED")
NO_PAGE = "A stock server answers with a page of HTML, which its client shows to people."
NOT_SWALLOWED = "A stock server keeps something else than what it was told, and says that all is well."
NOT_BROKEN = "A stock server takes the client's mistake for its own."
GATES = "No version becomes champion, and no champion is in production, that its gates did not let through."

DIFFERENCES: Mapping[tuple[str, str], tuple[Answer, str]] = {
    ("experiments", "rename to a taken name"): (
        _error(400, "RESOURCE_ALREADY_EXISTS"),
        "The same as for a new experiment of that name.",
    ),
    ("experiments", "rename what is deleted"): (REFUSED, NOT_BROKEN),
    ("runs", "an unknown status"): (REFUSED, NOT_SWALLOWED),
    ("runs", "a batch with a bad metric"): (REFUSED, NOT_SWALLOWED),
    ("runs", "log an input without a name"): (REFUSED, NOT_SWALLOWED),
    ("metrics", "a time that is no whole number"): (REFUSED, NOT_SWALLOWED),
    ("searching", "bad: two conditions without a word"): (REFUSED, NOT_SWALLOWED),
    ("models", "from an unknown version"): (
        REFUSED,
        "A source that can't be used is refused as such, whatever it lacks.",
    ),
    ("models", "staging's alias"): (Answer(200, "1"), "Stages are aliases here: Staging is challenger."),
    ("models", "the alias champion"): (GATED, GATES),
    ("models", "to production"): (GATED, GATES),
    ("logged_models", "search by nonsense"): (REFUSED, NOT_BROKEN),
    ("logged_models", "search nowhere"): (REFUSED, "Searching no experiment is a mistake worth telling."),
    ("errors", "an unknown call"): (UNKNOWN, NO_PAGE),
    ("errors", "an unknown call by POST"): (UNKNOWN, NO_PAGE),
}
"""By story and what is asked: our answer, and the reason."""
