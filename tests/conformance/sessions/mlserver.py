"""MLServer's types and codecs, unchanged: requests written by them, answers read by them."""

import sys
from importlib.metadata import version
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pandas as pd
from mlserver import types
from mlserver.codecs import NumpyCodec, NumpyRequestCodec, PandasCodec, StringCodec

SCORES = [2001.5, 2002.5]


def main(url: str) -> None:
    server = types.MetadataServerResponse.model_validate_json(call(f"{url}/v2"))
    assert server.name == "everloop"
    model = types.MetadataModelResponse.model_validate_json(call(f"{url}/v2/models/tiny"))
    assert [one.name for one in model.inputs or ()] == ["x", "stops", "carrier"]

    carrier = StringCodec.encode_input("carrier", ["UA", "DL"])
    written = types.InferenceRequest(
        id="mine",
        inputs=[
            types.RequestInput(name="x", shape=[2], datatype="FP64", data=[1.5, 2.5]),
            types.RequestInput(name="stops", shape=[2], datatype="INT64", data=[0, None]),
            types.RequestInput(name="carrier", shape=[2], datatype="BYTES", data=["UA", "DL"]),
        ],
        outputs=[types.RequestOutput(name="score")],
    )
    answer = infer(url, written)
    assert (answer.id, answer.model_version) == ("mine", "2")
    assert NumpyRequestCodec.decode_response(answer).tolist() == SCORES

    of_frame = PandasCodec.encode_request(pd.DataFrame({"x": [1.5, 2.5], "stops": [0, 1]}))
    of_frame.inputs.append(carrier)
    assert NumpyCodec.decode_output(infer(url, of_frame).outputs[0]).tolist() == SCORES

    of_arrays = types.InferenceRequest(
        inputs=[
            NumpyCodec.encode_input("x", np.array([[1.5], [2.5]])),
            NumpyCodec.encode_input("stops", np.array([0, 1])),
            carrier,
        ]
    )
    assert StringCodec.decode_output(infer(url, of_arrays).outputs[1])[0].endswith("-0")

    refused = call(f"{url}/v2/models/tiny/infer", written.model_copy(update={"inputs": of_frame.inputs[:1]}))
    assert types.InferenceErrorResponse.model_validate_json(refused).error == "inputs are missing: carrier, stops"


def infer(url: str, request: types.InferenceRequest) -> types.InferenceResponse:
    return types.InferenceResponse.model_validate_json(call(f"{url}/v2/models/tiny/infer", request))


def call(url: str, content: Any = None) -> bytes:
    body = content.model_dump_json().encode() if content else None
    try:
        with urlopen(Request(url, body, {"content-type": "application/json"} if body else {})) as answer:
            return bytes(answer.read())
    except HTTPError as error:
        with error:
            return error.read()


if __name__ == "__main__":
    main(sys.argv[1])
    sys.stdout.write(version("mlserver"))
