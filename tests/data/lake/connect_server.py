"""A server that speaks just enough Spark Connect to be asked for its version, which comes before any query."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from pyspark.sql.connect.proto import base_pb2, base_pb2_grpc


@dataclass
class Service(base_pb2_grpc.SparkConnectServiceServicer):  # type: ignore[misc]
    """Answers with a version, or with a status; keeps the tokens it was shown."""

    version: str = "4.2.0"
    status: grpc.StatusCode | None = None
    tokens: list[str | None] = field(default_factory=list)

    def AnalyzePlan(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        self.tokens.append(dict(context.invocation_metadata()).get("authorization"))
        if self.status is not None:
            context.abort(self.status, "said no")
        answer = base_pb2.AnalyzePlanResponse(session_id=request.session_id)
        answer.spark_version.version = self.version
        return answer

    def ReleaseSession(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return base_pb2.ReleaseSessionResponse(session_id=request.session_id)


@contextmanager
def connect_server(service: Service, credentials: grpc.ServerCredentials | None = None) -> Iterator[str]:
    """The service on a free port of this machine, as its address; plain unless there are credentials."""
    server = grpc.server(ThreadPoolExecutor(2))
    base_pb2_grpc.add_SparkConnectServiceServicer_to_server(service, server)
    if credentials is None:
        port = server.add_insecure_port("localhost:0")
    else:
        port = server.add_secure_port("localhost:0", credentials)
    server.start()
    try:
        yield f"sc://localhost:{port}"
    finally:
        server.stop(0).wait()
