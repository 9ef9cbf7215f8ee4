"""Serving as a process of its own on a cluster of files, which kills itself where it is told to.

``python -m tests.integration.serving.mortal <folder of jobs> [<port>.<method>:before|after:<which call>]``
"""

import sys
from pathlib import Path

from services.chassis.bus import Bus
from services.serving.main import assemble
from services.serving.precompute.files import StoredPredictionFiles
from services.serving.settings import ServingSettings
from tests.fakes.folder_jobs import FolderJobs
from tests.fakes.serving.cluster import InMemoryCluster
from tests.integration.training.mortal import mortal


def main() -> None:
    jobs = FolderJobs(Path(sys.argv[1]))
    if len(sys.argv) > 2:
        place, when, which = sys.argv[2].split(":")
        port, method = place.split(".")
        owner = {"jobs": jobs, "files": StoredPredictionFiles, "bus": Bus}[port]
        setattr(owner, method, mortal(getattr(owner, method), when, int(which)))
    assemble(ServingSettings.load(), InMemoryCluster(), jobs).run()


if __name__ == "__main__":
    main()
