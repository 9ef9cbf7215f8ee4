"""KServe's ``InferenceRESTClient``, unchanged, against the server whose URL is the argument."""

import asyncio
import sys
from importlib.metadata import version

import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

SCORES = [2001.5, 2002.5]


async def main(url: str) -> None:
    client = InferenceRESTClient(RESTConfig(protocol="v2", retries=0))
    assert await client.is_server_live(url)
    assert await client.is_server_ready(url)
    assert await client.is_model_ready(url, "tiny")
    assert not await client.is_model_ready(url, "other")

    as_json = await client.infer(url, InferRequest("tiny", inputs(binary=False), request_id="mine"), model_name="tiny")
    assert as_json.id == "mine"
    assert as_json.outputs[0].data == SCORES

    as_bytes = await client.infer(url, InferRequest("tiny", inputs(binary=True)), model_name="tiny")
    assert as_bytes.outputs[0].data == SCORES

    chosen = [RequestedOutput("score", parameters={"binary_data": True})]
    request = InferRequest("tiny", inputs(binary=True), request_outputs=chosen)
    one_output = await client.infer(url, request, model_name="tiny")
    assert [one.name for one in one_output.outputs] == ["score"]
    assert one_output.outputs[0].as_numpy().tolist() == SCORES


def inputs(*, binary: bool) -> list[InferInput]:
    columns = {
        "x": ("FP64", np.array([1.5, 2.5])),
        "stops": ("INT64", np.array([0, 1])),
        "carrier": ("BYTES", np.array([b"UA", b"DL"] if binary else ["UA", "DL"], dtype=object)),
    }
    tensors = []
    for name, (datatype, values) in columns.items():
        tensor = InferInput(name, [2], datatype)
        tensor.set_data_from_numpy(values, binary_data=binary)
        tensors.append(tensor)
    return tensors


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
    sys.stdout.write(version("kserve"))
