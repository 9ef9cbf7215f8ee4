"""The model every peer asks."""

import os

import onnxruntime

from contracts.bundle import BundleFile
from everloop.bundle.manifest import read_file, read_manifest
from everloop.bundle.model import Model


def load() -> Model:
    """Load the bundle that the benchmark names."""
    return Model.load(*_named())


def load_session() -> tuple[onnxruntime.InferenceSession, str]:
    """Load its model file alone, with the name of its one input."""
    uri, digest = _named()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    model = read_file(uri, read_manifest(uri, digest), BundleFile.MODEL.value)
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session, session.get_inputs()[0].name


def _named() -> tuple[str, str]:
    return os.environ["BENCH_BUNDLE_URI"], os.environ["BENCH_BUNDLE_DIGEST"]
