"""Plans in memory."""

from collections.abc import Sequence

from services.serving.precompute.domain import Plan


class InMemoryPlans:
    def __init__(self) -> None:
        self._kept: dict[str, Plan] = {}

    async def get(self, pipeline: str) -> Plan | None:
        return self._kept.get(pipeline)

    async def hold(self, pipeline: str) -> Plan:
        return self._kept.get(pipeline) or Plan(pipeline=pipeline)

    async def all(self) -> Sequence[Plan]:
        return [one for _, one in sorted(self._kept.items())]

    async def save(self, plan: Plan) -> None:
        self._kept[plan.pipeline] = plan
