"""MLServer's custom runtime."""

from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse, RequestInput

from tests.benchmarks.serving.servers.asked import load


class Flights(MLModel):
    """The runtime that ``model-settings.json`` names."""

    async def load(self) -> bool:
        """Load the model."""
        self._model = load()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer."""
        scores = self._model.predict({tensor.name: _decoded(tensor) for tensor in payload.inputs})
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("score", scores)])


def _decoded(tensor: RequestInput) -> list[object]:
    if tensor.datatype == "BYTES":
        return list(StringCodec.decode_input(tensor))
    return list(NumpyCodec.decode_input(tensor).tolist())
