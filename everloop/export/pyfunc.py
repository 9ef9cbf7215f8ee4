"""What MLflow loads a bundle with: its loader module, without a pickle anywhere."""

from pathlib import Path

from everloop.bundle.asking import Rows, predict
from everloop.bundle.model import Model, Scores


class BundleModel:
    """What MLflow asks."""

    def __init__(self, bundle: Path) -> None:
        self._model = Model.load(str(bundle.absolute()), None)

    def predict(self, model_input: Rows, params: object = None) -> Scores:
        """Score a DataFrame, or rows in any other form that ``LoadedModel.predict`` takes."""
        return predict(self._model, model_input)


def _load_pyfunc(data_path: str) -> BundleModel:
    """Load the bundle below an MLflow model; MLflow calls it by this name."""
    return BundleModel(Path(data_path))
