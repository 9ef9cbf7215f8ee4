"""From a name to a model in memory: asked for, fetched, verified, tried."""

import logging
from datetime import UTC, datetime
from os import PathLike

from contracts.bundle import BundleFile
from contracts.model import Digest, Uri
from everloop import storage
from everloop.bundle.logged import LoggedModel, load_any
from everloop.bundle.manifest import BundleError, read_file
from everloop.bundle.model import Model
from everloop.models.cache import PLACE, Cache, find_cache
from everloop.models.errors import ModelError, ModelUnavailableError
from everloop.models.following import FOLLOW_S, follow_alias
from everloop.models.loaded import Held, LoadedModel
from everloop.models.names import Alias, ModelName, bundle_uri
from everloop.models.registry import URL, Registry, Resolved, SilentRegistryError, find_registry

log = logging.getLogger(__name__)

DAMAGED = frozenset({"digest_mismatch", "file_missing", "incomplete", "manifest_invalid"})


def load_model(
    name: str | PathLike[str],
    digest: Digest | None = None,
    *,
    registry: str | None = None,
    offline: bool = False,
    follow: bool = False,
    follow_s: float = FOLLOW_S,
) -> LoadedModel:
    """Load a model version anywhere, every digest verified and its golden requests answered as they were in training.

    Args:
        name: ``"flight_delays@champion"`` (or ``@challenger``, ``@previous``), ``"flight_delays/3"``,
            ``"flight_delays"``, which is its champion, or where a bundle lies: a path (absolute, or beginning with
            ``.`` or ``~``) or a URI.
        digest: The bundle's digest, for a path or URI; unset: its manifest is trusted, not its files.
        registry: Address of the registry; unset: that of ``EVERLOOP_REGISTRY_URL``, else the platform of this machine.
        offline: Ask nobody: take what the name last meant, from the cache.
        follow: Change to another version when the alias is pointed at one, from a thread in the background.
        follow_s: How often to look, in seconds.

    Raises:
        BundleError: A digest disagrees, the code does not import, or golden answers differ.
        ModelError: The name can't be read, means nothing, or can't be had now.
        StorageError: The bundle can't be read where it should be.
    """
    if uri := bundle_uri(name):
        if follow or (offline and not storage.local_path(uri)):
            raise ModelError(f"{name} is a bundle: it never changes, and only a local one is read offline")
        return load_bundle(uri, digest)
    asked = ModelName.parse(str(name))
    if digest is not None:
        raise ModelError(f"the registry knows the digest of {asked}; give one with a path or URI only")
    if follow and (offline or not isinstance(asked.which, Alias)):
        raise ModelError(f"{asked} can't be followed: only an alias moves, and only a registry can say so")
    where, cache = find_registry(registry), find_cache()
    held = obtain(resolve(asked, where, cache, offline=offline), cache, offline=offline)
    cache.remember(where, asked, held.resolved)
    model = LoadedModel(held)
    if follow:
        follow_alias(model, asked, where, lambda resolved: _change(asked, resolved, where, cache), follow_s)
    return model


def load_bundle(uri: Uri, digest: Digest | None = None, *, version: int | None = None) -> LoadedModel:
    """Load a bundle from where it lies, without registry or cache. Raises as ``load_model`` does."""
    model = _checked(uri, digest)
    resolved = Resolved(
        name=uri,
        model=model.manifest.pipeline if isinstance(model, Model) else storage.name(uri),
        version=version,
        bundle_uri=uri,
        bundle_digest=digest,
        registry=None,
        known_at=datetime.now(UTC),
    )
    return LoadedModel(Held(model, _card(uri, model), resolved))


def resolve(name: ModelName, registry: Registry, cache: Cache, *, offline: bool = False) -> Resolved:
    """Ask what a name means; take what it last meant where nobody answers.

    Raises:
        ModelNotFoundError: The registry says there is no such thing.
        ModelUnavailableError: Nobody answers, and it is not in the cache.
    """
    said = "offline"
    if not offline:
        try:
            return registry.resolve(name)
        except SilentRegistryError as error:
            said = str(error)
    last = cache.recall(registry, name)
    if last is None:
        raise ModelUnavailableError(
            f"{name} is not in the cache {cache.root}, and nobody can be asked ({said}): load it once while the "
            f"registry answers (`everloop up`, or {URL}), with the same {PLACE}"
        )
    level = logging.INFO if offline else logging.WARNING
    log.log(level, "%s; %s is version %s, as of %s", said, name, last.version, last.known_at.isoformat("T", "seconds"))
    return last


def obtain(resolved: Resolved, cache: Cache, *, offline: bool = False) -> Held:
    """Load what a name means from the cache, fetching it where it is not there or not what it should be.

    Raises:
        BundleError: What lies in storage is not what the registry knows, or answers otherwise than in training.
        ModelUnavailableError: The cache holds it damaged, and nobody may be asked.
        StorageError: It can't be read in storage.
    """
    digest = resolved.bundle_digest
    assert digest, "a registry names a digest"
    place = str(cache.place(digest).absolute())
    if cache.holds(digest):
        try:
            held = _held(place, resolved, digest)
        except (BundleError, storage.StorageError) as error:
            if isinstance(error, BundleError) and error.slug not in DAMAGED:
                raise
            if offline:
                raise ModelUnavailableError(
                    f"{resolved.name} is damaged in the cache ({error}); load it once while the registry answers"
                ) from error
            log.warning("a cached bundle is damaged and is fetched again: %s", error)
            cache.discard(digest)
        else:
            cache.touch(digest)
            return held
    with cache.fetching(resolved.bundle_uri, digest) as copy:
        return _held(str(copy), resolved, digest)


def _change(name: ModelName, resolved: Resolved, registry: Registry, cache: Cache) -> Held:
    held = obtain(resolved, cache)
    cache.remember(registry, name, resolved)
    return held


def _held(uri: Uri, resolved: Resolved, digest: Digest) -> Held:
    model = _checked(uri, digest)
    return Held(model, _card(uri, model), resolved)


def _checked(uri: Uri, digest: Digest | None) -> Model | LoggedModel:
    model = load_any(uri, digest)
    model.check_golden(model.max_golden_difference)
    return model


def _card(uri: Uri, model: Model | LoggedModel) -> str:
    return read_file(uri, model.manifest, BundleFile.CARD).decode()
