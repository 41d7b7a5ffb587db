"""The clients' commands: their options, and what each comes to."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local.client import operations
from local.client.address import find_service
from local.client.api import Api
from local.client.board import Output, board_for
from local.client.errors import INTERRUPTED, ClientError, WrongUse
from local.client.events import show_events
from local.client.follow import Stopped
from local.client.http import Http, Wait
from local.client.jobs import Listing, follow_job, list_jobs, show_job
from local.client.letters import list_letters, replay_letters
from local.client.ocr import DEFAULT_OUTPUT, read_documents
from local.client.pipes import until_reader_leaves
from local.client.portal import DEFAULT_OUTPUT as PORTAL_OUTPUT
from local.client.portal import Portal, adapt_photo
from local.client.prefixes import whole_id
from local.client.reading import Options

ROOT = Path(__file__).resolve().parents[2]
ACTOR_VARIABLE = "COREMACHINE_ACTOR"
STATES = ("queued", "processing", "paused", "completed", "completed_with_errors", "failed", "cancelled")
EXITS = (
    "Exit codes: 0 all went well, 1 something failed or was refused, 2 wrong use, or a key that the service does not"
    " take, 3 the service is not reached, 130 Ctrl-C, 141 nobody reads the output any more; what runs on the service"
    " runs on."
)

Subparsers = Any  # argparse has no public name for what add_subparsers gives
Command = Callable[[Api, argparse.Namespace, Output, Wait], int]


def add_commands(subparsers: Subparsers) -> None:
    """Adds the clients to what ``ArgumentParser.add_subparsers`` gave; each sets ``run(options) -> exit code``.

    ``run`` prints its errors, and so raises none of :class:`local.errors.LocalError`, and no KeyboardInterrupt.
    """
    _add_ocr(_parser(subparsers, "ocr", "read documents", _ocr))
    _add_portal(_parser(subparsers, "portal", "make of a photo the file that a portal takes", _portal))
    _add_jobs(_parser(subparsers, "jobs", "list jobs, or show one", _jobs))
    _add_events(_parser(subparsers, "events", "show the timeline of a job", _events))
    _add_submit(_parser(subparsers, "submit", "submit a job", _submit))
    for action in ("cancel", "pause", "resume"):
        _add_action(_parser(subparsers, action, f"{action} jobs", _action(action)))
    _add_resubmit(_parser(subparsers, "resubmit", "run ended jobs again", _resubmit))
    _add_replay(_parser(subparsers, "replay", "run again what failed in a job", _replay))
    _add_letters(_parser(subparsers, "dead-letters", "list dead letters, or send some again", _letters))


def _parser(subparsers: Subparsers, name: str, summary: str, command: Command) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = subparsers.add_parser(
        name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.", epilog=EXITS
    )
    service = parser.add_argument_group("service", "by default the stack that 'python -m local up' runs in this clone")
    service.add_argument("--url", help="another service (or COREMACHINE_URL)")
    service.add_argument("--key", help="its function key (or COREMACHINE_KEY, which no list of processes shows)")
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="one JSON object a line")
    output.add_argument("--quiet", action="store_true", help="nothing but errors")
    parser.set_defaults(run=lambda options: run(command, options))
    return parser


def run(command: Command, options: argparse.Namespace) -> int:
    """The exit code. Errors go to the standard error, in one line each."""
    return until_reader_leaves(lambda: _run(command, options))


def _run(command: Command, options: argparse.Namespace) -> int:
    output = Output.JSON if options.json else Output.QUIET if options.quiet else Output.PEOPLE
    stop = threading.Event()
    _escape_what_the_terminal_has_not()
    try:
        service = find_service(options.url, options.key, os.environ, ROOT)
        return command(Api(Http(service, stop.wait)), options, output, stop.wait)
    except ClientError as error:
        print(f"local: {error}", file=sys.stderr)
        return error.exit_code
    except (KeyboardInterrupt, Stopped):
        stop.set()
        return INTERRUPTED


def _escape_what_the_terminal_has_not() -> None:
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _add_ocr(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="an image or a PDF")
    parser.add_argument("--output", type=Path, default=DEFAULT_OUTPUT, help="folder (default: %(default)s)")
    parser.add_argument("--quality", choices=("accurate", "fast"), help="which models (default: the service's)")
    parser.add_argument("--languages", metavar="en,de", help="what the documents are written in (default: any)")
    parser.add_argument("--pages", metavar="1-3,7", help="which pages (default: all)")
    parser.add_argument(
        "--outputs",
        metavar="KINDS",
        help="of text,analyze_result,hocr,alto,markdown,searchable_pdf (default: the first two)",
    )
    parser.add_argument("--jobs", type=_at_least_one, default=4, metavar="N", help="at once (default: %(default)s)")
    parser.add_argument("--no-preview", action="store_true", help="no pictures of what was read where")
    parser.add_argument("--again", action="store_true", help="read anew what was read before")
    parser.add_argument("--tenant", help="whose job it is")


def _ocr(api: Api, options: argparse.Namespace, output: Output, wait: Wait) -> int:
    wanted = Options(
        output=options.output,
        quality=options.quality,
        languages=options.languages,
        pages=options.pages,
        outputs=options.outputs,
        preview=not options.no_preview,
        tenant=options.tenant,
        again=options.again,
        at_once=options.jobs,
    )
    return read_documents(api, options.files, wanted, board_for(output), wait)


def _add_portal(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photo", type=Path, metavar="PHOTO", help="a photo or a scan")
    parser.add_argument("--schema", required=True, metavar="NAME", help='the portal, as in "NEET 2026"')
    parser.add_argument("--schema-version", type=_at_least_one, metavar="N", help="(default: the newest)")
    parser.add_argument("--text", action="store_true", help="also ask for the text that is printed on it")
    parser.add_argument("--output", type=Path, default=PORTAL_OUTPUT, help="folder (default: %(default)s)")


def _portal(api: Api, options: argparse.Namespace, output: Output, wait: Wait) -> int:
    portal = Portal(options.schema, options.schema_version, options.text)
    return adapt_photo(api, options.photo, portal, options.output, board_for(output), wait)


def _add_jobs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", nargs="?", metavar="JOB", help="a job id, or its first digits")
    parser.add_argument("--run", type=_at_least_one, help="the run (default: the latest)", dest="run_number")
    parser.add_argument("--follow", action="store_true", help="until it ends")
    parser.add_argument("--status", action="append", choices=STATES, default=[], help="may be given several times")
    parser.add_argument("--type", dest="job_type", help="the job type")
    parser.add_argument("--tenant", help="whose jobs")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--limit", type=_at_least_one, default=20, help="how many (default: %(default)s)")
    size.add_argument("--all", action="store_true", help="all there are")


def _jobs(api: Api, options: argparse.Namespace, output: Output, wait: Wait) -> int:
    if options.job is None:
        if options.follow or options.run_number:
            raise WrongUse("--follow and --run are of one job: name it")
        limit = None if options.all else options.limit
        return list_jobs(api, Listing(tuple(options.status), options.job_type, options.tenant, limit), output)
    job_id = whole_id(api, options.job)
    if not options.follow:
        return show_job(api, job_id, options.run_number, output)
    return _follow(api, job_id, options.run_number, output, wait)


def _follow(api: Api, job_id: str, run_number: int | None, output: Output, wait: Wait) -> int:
    status = api.status(job_id, run_number).status
    assert status is not None  # no ETag was sent, so the answer is not 304
    return follow_job(api, status, board_for(output), wait)


def _add_events(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", metavar="JOB", help="a job id, or its first digits")
    parser.add_argument("--run", type=_at_least_one, help="the run (default: the latest)", dest="run_number")
    parser.add_argument("--follow", action="store_true", help="until it ends")


def _events(api: Api, options: argparse.Namespace, output: Output, wait: Wait) -> int:
    job_id = whole_id(api, options.job)
    return show_events(api, job_id, options.run_number, output, wait if options.follow else None)


def _add_submit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job_type", metavar="JOB_TYPE")
    parser.add_argument("--params", default="{}", metavar="JSON|@FILE", help="the parameters; @- is standard input")
    parser.add_argument("--tenant", help="whose job it is")
    parser.add_argument("--idempotency-key", metavar="KEY", help="another key makes another job of the same content")
    parser.add_argument("--follow", action="store_true", help="until it ends")


def _submit(api: Api, options: argparse.Namespace, output: Output, wait: Wait) -> int:
    params = operations.read_object(options.params, "--params")
    submission = operations.Submission(options.job_type, params, options.tenant, options.idempotency_key)
    status = operations.submit(api, submission, output)
    return follow_job(api, status, board_for(output), wait) if options.follow else 0


def _add_action(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("jobs", nargs="+", metavar="JOB", help="a job id, or its first digits")
    _add_actor(parser)


def _action(action: str) -> Command:
    def command(api: Api, options: argparse.Namespace, output: Output, _: Wait) -> int:
        return operations.act_on_each(api, options.jobs, action, {"actor": options.actor}, output)

    return command


def _add_resubmit(parser: argparse.ArgumentParser) -> None:
    _add_action(parser)
    parser.add_argument("--reuse-finished-stages", action="store_true", help="go on behind the stages that completed")


def _resubmit(api: Api, options: argparse.Namespace, output: Output, _: Wait) -> int:
    body = {"actor": options.actor, "reuse_finished_stages": options.reuse_finished_stages}
    return operations.act_on_each(api, options.jobs, "resubmit", body, output)


def _add_replay(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", metavar="JOB", help="a job id, or its first digits")
    parser.add_argument(
        "--task", action="append", default=[], metavar="NAME", help="this one (default: all that failed)"
    )
    parser.add_argument(
        "--params", type=Path, metavar="FILE", help="other parameters: of the one task, or by task name"
    )
    parser.add_argument("--follow", action="store_true", help="until it ends")
    _add_actor(parser)


def _replay(api: Api, options: argparse.Namespace, output: Output, wait: Wait) -> int:
    tasks = operations.chosen_tasks(options.task, options.params)
    status = operations.replay(api, options.job, tasks, options.actor, output)
    return follow_job(api, status, board_for(output), wait) if options.follow else 0


def _add_letters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", nargs="?", choices=("list", "replay"), default="list")
    parser.add_argument("ids", nargs="*", type=_at_least_one, metavar="ID", help="of the letters to send again")
    parser.add_argument("--after", type=_number, default=0, help="list those behind this id")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--limit", type=_at_least_one, default=50, help="how many (default: %(default)s)")
    size.add_argument("--all", action="store_true", help="all there are")
    _add_actor(parser)


def _letters(api: Api, options: argparse.Namespace, output: Output, _: Wait) -> int:
    if options.action == "replay":
        if not options.ids:
            raise WrongUse("dead-letters replay ID...: which ones? 'dead-letters list' shows them")
        return replay_letters(api, options.ids, options.actor, output)
    if options.ids:
        raise WrongUse("dead-letters list takes no ids")
    return list_letters(api, options.after, None if options.all else options.limit, output)


def _add_actor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--actor", default=_own_name(), help="who asks, for the timeline (default: %(default)s)")


def _own_name() -> str:
    given = os.environ.get(ACTOR_VARIABLE, "").strip()
    if given:
        return given[:200]
    try:
        return f"cli:{getpass.getuser()}".replace("%", "")
    except (KeyError, OSError, ImportError):  # a user without a name, as in many containers
        return "cli"


def _at_least_one(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)
