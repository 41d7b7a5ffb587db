"""The whole stack on this machine: database, Service Bus, storage, Functions host and worker."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TextIO

from local.errors import LocalError
from local.postgres import LOOPBACK
from local.settings_file import EXAMPLE_NAME, FILE_NAME, LocalSettings, merged_environment, read_settings_file
from local.stack_build import Builder
from local.stack_data import DataFolder, Lock
from local.stack_errors import PartFailed, StackError
from local.stack_file import FOLDER, StackFile, StackPart, read_stack_file, remove, write
from local.stack_keeper import Keeper
from local.stack_logs import StackLog
from local.stack_plan import APPS, NAMED_BY, PARTS, SERVICES, PartName, Plan, order_of_end, plan
from local.stack_process import ORPHAN_SECONDS, ROOT

LOOK_SECONDS = 0.2
LEFT_SECONDS = ORPHAN_SECONDS + 5.0
"""How long the processes of a stack of this clone that was killed may take to end."""

LOGS = Path(FOLDER, "stack", "logs")


@dataclass(frozen=True, slots=True)
class StackOptions:
    """``data`` None is a folder that is removed at the end, not made to outlive the machine.

    ``port`` is the host's; 0 takes a free one. ``only`` None is every part. ``announced`` makes it the clone's stack,
    of which there is one, in ``.cache/stack.json``; only such a one uses services that ``environment`` or the settings
    file name, instead of starting them. ``settings_file`` None is the user's own, or the example where there is none.
    ``logs`` None is ``.cache/stack/logs`` where it is announced, and a folder beside the data where it is not.
    ``terminal`` is shown what the parts print.
    """

    data: Path | None = None
    fresh: bool = False
    port: int = 0
    address: str = LOOPBACK
    enable_auth: bool = False
    reload: bool = False
    only: Collection[PartName] | None = None
    without: Collection[PartName] = ()
    ocr_engine: Literal["paddle", "test"] | None = None
    restart: bool = True
    announced: bool = False
    settings_file: Path | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    logs: Path | None = None
    terminal: TextIO | None = None
    coloured: bool = False


class Stack:
    """::

        with Stack(StackOptions(ocr_engine="test")) as stack:
            httpx.get(f"{stack.url}/api/readyz")
            stack.kill("worker")
            stack.wait_until_up("worker")

    Each part is a process of its own, kept running by a thread of this one; all end with this process, however that
    ends. Raises :class:`local.errors.LocalError`, with nothing left running, where it cannot start.
    """

    def __init__(self, options: StackOptions | None = None) -> None:
        self.options = options or StackOptions()
        self._changed = threading.Condition()
        self._announcing = threading.Lock()
        self._asked_to_stop = False
        self._open = ExitStack()
        self._keepers: dict[PartName, Keeper] = {}
        self._builder: Builder
        self.plan: Plan
        self.log: StackLog
        self.data: DataFolder
        self.key = ""
        """For the header ``x-functions-key``; empty where none is asked for."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Returns when every part is ready, or :meth:`ask_to_stop` was called meanwhile."""
        try:
            self._prepare()
            for name in PARTS:
                if name in self.plan.parts:
                    self._keepers[name] = self._keeper(name)
            self._start(SERVICES, APPS)
            self._start(APPS)
            self._builder.keep_ports()
            self._announce()
        except BaseException:
            self.stop()
            raise

    def ask_to_stop(self) -> None:
        """Lets :meth:`start` return before its time. For any thread, and for a signal's handler."""
        self._asked_to_stop = True

    def stop(self) -> tuple[PartName, ...]:
        """Ends the parts in order: who takes work in first, the database last. Those that did not end by themselves.

        Without effect where it was called before.
        """
        self._asked_to_stop = True
        try:
            for group in order_of_end(self._keepers):
                for name in group:
                    self._keepers[name].ask_to_stop()
                for name in group:
                    self._keepers[name].join()
        except BaseException:
            self.kill_all()
            raise
        finally:
            late = tuple(name for name, keeper in self._keepers.items() if not keeper.ended_in_order)
            self._open.close()
        return late

    def kill_all(self) -> None:
        """Ends everything at once. For any thread, but not for a signal's handler, which may stand within a lock."""
        for keeper in list(self._keepers.values()):
            keeper.ask_to_stop()
            keeper.part.kill_all()

    def kill(self, name: PartName) -> None:
        """SIGKILL to the part's process. Raises :class:`PartFailed` where it is not up."""
        self._keepers[name].kill()

    def wait_until_up(self, name: PartName, seconds: float = 60.0) -> None:
        """Until it is ready, after a :meth:`kill` until it is ready again. Raises :class:`PartFailed`."""
        self._wait_for([name], seconds)

    @property
    def parts(self) -> Mapping[PartName, Keeper]:
        """Each with its ``pid``, its ``address``, whether it is ``up``, and how many ``starts`` it had."""
        return self._keepers

    @property
    def url(self) -> str:
        """The host's, without a slash at its end; empty where there is none."""
        return self._keepers["host"].address if "host" in self._keepers else ""

    @property
    def settings(self) -> Mapping[str, str]:
        """The variables by which another process finds the services of this stack. They hold keys."""
        return self._builder.settings()

    @property
    def failure(self) -> LocalError | None:
        """Why a part does not run, and will not again."""
        return next((keeper.failure for keeper in self._keepers.values() if keeper.failure is not None), None)

    def _prepare(self) -> None:
        options = self.options
        if os.name != "posix":
            raise StackError("the stack runs on Linux and macOS; here, 'python -m local host' runs the function app")
        settings = read_settings_file(options.settings_file or own_settings_file())
        if options.announced:
            self._open.enter_context(closing(_clone_lock()))
            self._open.callback(remove, ROOT)
        self.key = settings.keys.master or next(iter(settings.keys.host.values()), "")
        environment = merged_environment(settings.values, options.environment)
        if not options.announced:
            environment |= {name: "" for names in NAMED_BY.values() for name in names if environment.get(name)}
        self.plan = plan(environment, options.only, options.without)
        patience = LEFT_SECONDS if options.announced else 0.0
        self.data = DataFolder(options.data or self._throw_away_folder(), patience)
        self._open.callback(self.data.close)
        if options.fresh:
            self.data.clear()
        logs = options.logs or (ROOT / LOGS if options.announced else self.data.folder("logs"))
        self.log = StackLog(logs, options.terminal, coloured=options.coloured)
        self._open.callback(self.log.close)
        self._builder = self._prepared_builder(settings, environment)

    def _prepared_builder(self, settings: LocalSettings, environment: Mapping[str, str]) -> Builder:
        options = self.options
        host = ["--address", options.address, "--settings-file", str(options.settings_file or own_settings_file())]
        host += ["--enable-auth"] if options.enable_auth else []
        host += ["--reload"] if options.reload else []
        engine = {} if options.ocr_engine is None else {"OCR_ENGINE": options.ocr_engine}
        return Builder(
            self.data,
            durable=options.data is not None,
            environment={**environment, **engine},
            port=options.port,
            host_arguments=host,
        )

    def _throw_away_folder(self) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="coremachine-stack-"))
        self._open.callback(shutil.rmtree, folder, ignore_errors=True)
        return folder

    def _keeper(self, name: PartName) -> Keeper:
        say = self.log.of(name)
        part = self._builder.part(name, say)
        told: Callable[[str], None] = self.log.of("stack")
        return Keeper(
            part, self._changed, lambda line: told(f"{name}: {line}"), self._announce, restart=self.options.restart
        )

    def _start(self, names: Collection[PartName], meanwhile: Collection[PartName] = ()) -> None:
        """Returns when they are ready; those of ``meanwhile`` are prepared while one waits."""
        for name in names:
            if name in self._keepers:
                self._keepers[name].start()
        for name in meanwhile:
            if name in self._keepers:
                self._keepers[name].prepare()
        self._wait_for(names)

    def _wait_for(self, names: Collection[PartName], seconds: float | None = None) -> None:
        until = None if seconds is None else time.monotonic() + seconds
        waited = [keeper for name, keeper in self._keepers.items() if name in names]
        with self._changed:
            while not self._asked_to_stop and not all(keeper.up for keeper in waited):
                if (failure := self.failure) is not None:
                    raise failure
                if until is not None and time.monotonic() > until:
                    down = ", ".join(keeper.part.name for keeper in waited if not keeper.up)
                    raise PartFailed(f"not up within {seconds:.0f} s: {down}")
                self._changed.wait(LOOK_SECONDS)

    def _announce(self) -> None:
        """Written when all parts were ready, and again when one has another process."""
        if not self.options.announced or self._asked_to_stop or not all(k.starts for k in self._keepers.values()):
            return
        with self._announcing:
            parts = {str(name): StackPart(keeper.pid, keeper.address) for name, keeper in self._keepers.items()}
            parts |= {str(name): StackPart(0, f"named by {setting}") for name, setting in self.plan.outside.items()}
            write(ROOT, StackFile(self.url, self.key, os.getpid(), parts, self.settings))


def own_settings_file() -> Path:
    """The user's own where there is one."""
    own = ROOT / FILE_NAME
    return own if own.is_file() else ROOT / EXAMPLE_NAME


def _clone_lock() -> Lock:
    (ROOT / FOLDER).mkdir(exist_ok=True)
    running = read_stack_file(ROOT)
    where = f" at {running.url} (process {running.pid})" if running is not None else ""
    try:
        return Lock(ROOT / FOLDER / "stack.lock", f"the stack of this clone runs already{where}")
    except OSError as error:
        raise StackError(f"{ROOT / FOLDER} cannot be written: {error.strerror}") from error
