"""Versions that another registry registered: known here, with their history, but judged by no gate of this one."""

from datetime import datetime

from contracts.bundle import BundleFile
from contracts.message import Message
from contracts.registry import ImportModelVersion, ModelVersionImported
from services.chassis.errors import RejectedError
from services.registry.domain import Arrival, Decision, Model, ModelVersion, VersionState, check_evidence
from services.registry.ports import Models, Versions


async def import_version(
    command: ImportModelVersion, arrival: Arrival, models: Models, versions: Versions, *, at: datetime
) -> list[Message]:
    """Make an imported version known. It keeps its number where that was never given here.

    Its pipeline becomes known too, where it is not: to the registry alone, so nothing trains or serves it.

    Raises:
        RejectedError: What came contradicts itself, or its run is a version here already.
    """
    check_evidence(command, arrival.evidence)
    _check_record(command, arrival)
    if await models.hold(command.pipeline) is None:
        await models.put(Model(command.pipeline, arrival.definition, registered_at=at))
        await models.hold(command.pipeline)
    if known := await versions.of_run(command.run_id):
        raise RejectedError("version_already_here", pipeline=known.pipeline, version=known.number)
    evidence, record = arrival.evidence, arrival.record
    version = ModelVersion(
        pipeline=command.pipeline,
        number=await models.next_number(command.pipeline, at_least=record.version),
        bundle_uri=command.bundle_uri,
        bundle_digest=command.bundle_digest,
        manifest=evidence.manifest,
        report=evidence.report,
        card=evidence.card,
        verdicts=record.verdicts,
        registered_at=at,
        state=VersionState.IMPORTED,
        decision=Decision(command.imported_by, command.reason, at),
    )
    await versions.add(version)
    return [
        ModelVersionImported(
            pipeline=version.pipeline,
            version=version.number,
            original_version=record.version,
            run_id=version.run_id,
            report_uri=command.report_uri,
            report_digest=command.report_digest,
            bundle_uri=version.bundle_uri,
            bundle_digest=version.bundle_digest,
            model_digest=version.manifest.entry(BundleFile.MODEL).digest,
            record_uri=command.record_uri,
            record_digest=command.record_digest,
            lineage=version.lineage,
            imported_by=command.imported_by,
            imported_at=at,
            reason=command.reason,
        )
    ]


def _check_record(command: ImportModelVersion, arrival: Arrival) -> None:
    record = arrival.record
    said = (command.pipeline, command.run_id, command.bundle_digest)
    if (record.pipeline, record.run_id, record.bundle_digest) != said:
        raise RejectedError("record_of_another", pipeline=record.pipeline, version=record.version)
    if arrival.definition.name != command.pipeline:
        raise RejectedError("definition_of_another", pipeline=arrival.definition.name)
