"""host.json, and what the Functions host wants to be told besides."""

from __future__ import annotations

import re
from collections.abc import Iterator

from local.doctor.facts import Facts, HandlerFact
from local.doctor.findings import Code, Finding, error, warning
from local.functions_host.schedule import ScheduleInvalid, parse_schedule

BUNDLE = "Microsoft.Azure.Functions.ExtensionBundle"
LEAST_BUNDLE = 4
"""Its Service Bus extension is 5.x, with the options at the top of the block (the reference of host.json)."""

MARGIN = 30.0
"""Seconds that the engine may need before and after a handler: to claim, to commit, to reach a slow database."""

_LOWEST = re.compile(r"\s*[\[(]?\s*(\d+)")


def short_handlers(facts: Facts) -> tuple[HandlerFact, ...]:
    """Those that the triggers run."""
    handlers = () if isinstance(facts.handlers, str) else facts.handlers
    return tuple(handler for handler in handlers if not handler.long_running)


def slowest(facts: Facts) -> HandlerFact | None:
    return max(short_handlers(facts), key=lambda handler: handler.timeout, default=None)


def registries(facts: Facts) -> Iterator[Finding]:
    if isinstance(facts.handlers, str):
        problem = f"the jobs and handlers cannot be registered, so nothing starts: {facts.handlers}"
        yield error(Code.REGISTRIES_BROKEN, "infrastructure/wiring.py", problem, "mend the definition that is named")


def host_file(facts: Facts) -> Iterator[Finding]:
    if facts.host.problem is not None:
        yield error(Code.HOST_FILE_INVALID, "host.json", facts.host.problem, "mend it; the host does not start with it")
    for name in facts.host.outdated:
        yield error(
            Code.HOST_OPTIONS_OUTDATED,
            f"host.json: extensions.serviceBus.{name}",
            "the extension of bundle 4.x ignores it, so its limits are the defaults",
            "move what is in it one level up, under the names of version 5: maxConcurrentCalls, autoCompleteMessages, "
            "maxAutoLockRenewalDuration",
        )


def bundle(facts: Facts) -> Iterator[Finding]:
    if facts.host.problem is not None:
        return
    lowest = _LOWEST.match(facts.host.bundle_version)
    if facts.host.bundle_id == BUNDLE and lowest is not None and int(lowest[1]) >= LEAST_BUNDLE:
        return
    named = f"{facts.host.bundle_id} {facts.host.bundle_version}".strip()
    problem = f"{named} holds an older Service Bus extension" if named else "no bundle is named"
    yield error(
        Code.HOST_BUNDLE_OUTDATED,
        "host.json: extensionBundle",
        f"{problem}: the triggers' limits are not obeyed, or there are no triggers",
        f'"extensionBundle": {{"id": "{BUNDLE}", "version": "[4.*, 5.0.0)"}}',
    )


def completes(facts: Facts) -> Iterator[Finding]:
    if not facts.host.completes:
        yield error(
            Code.HOST_DOES_NOT_COMPLETE,
            "host.json: extensions.serviceBus.autoCompleteMessages",
            "no message is ever completed: each is delivered again until it is dead-lettered",
            "set it to true: the triggers leave the settling to the host",
        )


def schedules(facts: Facts) -> Iterator[Finding]:
    settings = facts.settings.settings
    for name, text in (
        ("RECONCILE_SCHEDULE", settings.reconcile_schedule),
        ("DEAD_LETTER_SCHEDULE", settings.dead_letter_schedule),
        ("RETENTION_SCHEDULE", settings.retention_schedule),
    ):
        try:
            parse_schedule(text)
        except ScheduleInvalid as reason:
            problem = f"the host does not start a timer by it: {reason}"
            yield error(
                Code.SCHEDULE_INVALID, name, problem, "six fields, seconds first: 0 */5 * * * * is every five minutes"
            )


def init_indexing(facts: Facts) -> Iterator[Finding]:
    """Workers before Python 3.13 look for HTTP streams only then (the reference of HTTP streams)."""
    if facts.machine.python < (3, 13) and facts.settings.init_indexing not in {"1", "true", "True"}:
        yield warning(
            Code.INIT_INDEXING_OFF,
            "PYTHON_ENABLE_INIT_INDEXING",
            "on Python before 3.13 neither Azure nor Core Tools gives the HTTP functions their requests as streams: "
            "each call fails",
            "set PYTHON_ENABLE_INIT_INDEXING to 1, here and in the app's settings",
        )


def function_timeout(facts: Facts) -> Iterator[Finding]:
    limit, handler = facts.host.function_timeout, slowest(facts)
    if limit is None or handler is None or limit >= handler.timeout + MARGIN:
        return
    about = "host.json: functionTimeout"
    if limit < handler.timeout:
        yield error(
            Code.FUNCTION_TIMEOUT_TOO_SHORT,
            about,
            f"{limit:.0f} s end the whole worker process, with all of its calls, before the {handler.timeout:.0f} s of "
            f"{handler.task_type} are over",
            f"raise it to at least {handler.timeout + MARGIN:.0f} s, or make the handler's timeout shorter",
        )
        return
    yield warning(
        Code.FUNCTION_TIMEOUT_TIGHT,
        about,
        f"{limit:.0f} s leave {limit - handler.timeout:.0f} s to commit what {handler.task_type} took "
        f"{handler.timeout:.0f} s for; the host ends the whole worker process otherwise",
        f"raise it to {handler.timeout + MARGIN:.0f} s, or give the handler at most {limit - MARGIN:.0f} s",
    )


HOST = (registries, host_file, bundle, schedules, completes, init_indexing, function_timeout)
