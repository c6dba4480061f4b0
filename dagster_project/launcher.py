"""Launches runs as Dagster does by default, and knows when one's process is gone.

Dagster's own launcher cannot tell: a run whose code server was killed with it, or whose machine was restarted, would
count as running for ever, and hold its pools. `run_monitoring` asks here, marks it as failed, and retries it.
"""

import dagster as dg
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value

SECONDS_TO_ANSWER = 20


class WatchedRunLauncher(DefaultRunLauncher):
    """The default launcher with a health check: the code server that started a run says whether it still runs."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Whether `run_monitoring` may ask."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether a run's process lives. A run that was started by hand holds no pool, and is not judged."""
        client = self._get_grpc_client_for_termination(run.run_id)
        if client is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "not started by a code server")
        try:
            request = CanCancelExecutionRequest(run_id=run.run_id)
            answer = client.can_cancel_execution(request, timeout=SECONDS_TO_ANSWER)
        except DagsterUserCodeUnreachableError as error:
            if _is_slow(error):
                return CheckRunHealthResult(WorkerStatus.RUNNING, "its code server is slow to answer")
            return CheckRunHealthResult(WorkerStatus.FAILED, "its code server is gone, and its process with it")
        if deserialize_value(answer, CanCancelExecutionResult).can_cancel:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, "its code server was started anew, or its process ended")


def _is_slow(error: DagsterUserCodeUnreachableError) -> bool:
    code = getattr(error.__cause__, "code", None)
    return code is not None and code().name == "DEADLINE_EXCEEDED"
