"""The composition root of serving."""

from services.chassis.service import Service
from services.chassis.work import Reconciler
from services.serving import api, handlers
from services.serving.board import BusBoard
from services.serving.driving import Driver
from services.serving.ports import Board, Cluster, Deployments, Rollouts
from services.serving.ray_serve import RayServe
from services.serving.settings import ServingSettings
from services.serving.store import ServingRow, SqlDeployments, SqlRollouts


def build(settings: ServingSettings) -> Service:
    """Put serving together."""
    cluster = RayServe(settings)
    driver = Driver(cluster, BusBoard)
    return Service(
        "serving",
        settings,
        handlers.SUBSCRIPTIONS,
        {
            Deployments: SqlDeployments,
            Rollouts: SqlRollouts,
            Board: lambda _: driver.board,
            Cluster: lambda _: cluster,
        },
        router=api.router,
        reconcilers=(Reconciler(driver.step),),
        rows=ServingRow,
    )


def main() -> None:
    """Run serving until it is told to stop."""
    build(ServingSettings.load()).run()


if __name__ == "__main__":
    main()
