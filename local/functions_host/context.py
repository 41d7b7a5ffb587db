"""The context of one invocation, given to a function that has an argument named ``context``.

Source: `azure_functions_runtime.bindings.context`. As there, the records have the attributes of
`azure.functions.Context` and do not derive from it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import uuid4

_thread_local = threading.local()


@dataclass(frozen=True, slots=True)
class InvocationTrace:
    """The W3C trace context that the client sent, empty when it sent none."""

    trace_parent: str = ""
    trace_state: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FirstTry:
    """The host retries no call by itself: HTTP is the client's affair, and a message comes again from its queue."""

    retry_count: int = 0
    max_retry_count: int = 0
    exception: None = None


@dataclass(frozen=True, slots=True)
class InvocationContext:
    function_name: str
    function_directory: str
    invocation_id: str
    trace_context: InvocationTrace = field(default_factory=InvocationTrace)
    retry_context: FirstTry = field(default_factory=FirstTry)

    @property
    def thread_local_storage(self) -> threading.local:
        return _thread_local


def trace_from(headers: Mapping[str, str]) -> InvocationTrace:
    return InvocationTrace(trace_parent=headers.get("traceparent", ""), trace_state=headers.get("tracestate", ""))


def new_context(name: str, directory: str, trace: InvocationTrace | None = None) -> InvocationContext:
    return InvocationContext(name, directory, str(uuid4()), trace or InvocationTrace())
