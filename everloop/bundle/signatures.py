"""Whether those who ask one model can ask another."""

from collections.abc import Iterator

from contracts.bundle import Signature, TensorSpec
from contracts.pipeline import NonFinite

_TAKEN = (NonFinite.REFUSE, NonFinite.NAN_IS_MISSING, NonFinite.MISSING)
"""Each takes what the one before takes, and more."""


def signature_breaks(asked: Signature, given: Signature) -> tuple[str, ...]:
    """List what would fail for callers of one signature, were they to ask a model of another.

    Args:
        asked: The signature that callers know.
        given: That of the model they would meet.
    """
    return tuple(_breaks(asked, given))


def _breaks(asked: Signature, given: Signature) -> Iterator[str]:
    known, taken = _by_name(asked.inputs), _by_name(given.inputs)
    yield from (f"input {name} is no longer taken" for name in known if name not in taken)
    # The protocol wants every input, those that may be null too.
    yield from (f"input {name} must be given" for name in taken if name not in known)
    for name in (name for name in known if name in taken):
        yield from _changes("input", known[name], taken[name])
        if known[name].nullable and not taken[name].nullable:
            yield f"input {name} may no longer be null"
        if _TAKEN.index(taken[name].non_finite) < _TAKEN.index(known[name].non_finite):
            yield f"input {name} takes fewer of the values that are no finite number"
    expected, answered = _by_name(asked.outputs), _by_name(given.outputs)
    yield from (f"output {name} is gone" for name in expected if name not in answered)
    for name in (name for name in expected if name in answered):
        yield from _changes("output", expected[name], answered[name])


def _changes(what: str, before: TensorSpec, after: TensorSpec) -> Iterator[str]:
    if before.datatype is not after.datatype:
        yield f"{what} {before.name} was {before.datatype.value}, is {after.datatype.value}"
    if before.shape != after.shape:
        yield f"{what} {before.name} had the shape {list(before.shape)}, has {list(after.shape)}"


def _by_name(tensors: tuple[TensorSpec, ...]) -> dict[str, TensorSpec]:
    return {tensor.name: tensor for tensor in tensors}
