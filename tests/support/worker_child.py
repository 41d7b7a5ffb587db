"""A child of the worker whose handlers do what they are told: ``python -m tests.support.worker_child``."""

from __future__ import annotations

import asyncio
import ctypes
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel

from core.context import TaskContext
from core.errors import LeaseLost, TransientError
from core.handlers import task_handler
from core.outcome import Interrupted, RetryLater
from core.registry import HandlerRegistry
from core.system import SystemClock
from docker_worker.child import serve
from handlers.hello_world import hello_world_handlers
from testing.memory_blobs import MemoryBlobStore

MIB = 1024 * 1024


class Wish(BaseModel):
    """``of`` is a number or a text for what is wished, where it takes one."""

    wish: str
    number: int = 0
    text: str = ""


class Granted(BaseModel):
    said: str = ""
    pid: int = 0


def prints(wish: Wish, context: TaskContext) -> Granted:
    sys.stdout.write("printed by Python\n")
    sys.stdout.flush()
    os.write(1, b"written to the descriptor\n" * 100)
    libc = ctypes.CDLL(None)
    libc.puts(b"printed by C")
    libc.fflush(None)
    return Granted(said=wish.text)


def checkpoints(wish: Wish, context: TaskContext) -> Granted | Interrupted:
    """A phase for each of ``number``; the answer is which of them were done now."""
    done = []
    for number in range(wish.number):
        if context.checkpoint.should_skip(str(number)):
            continue
        done.append(number)
        context.report_progress(100 * (number + 1) / wish.number, f"phase {number}")
        if context.checkpoint.save_and_stop_if_requested(str(number), {"last": number}):
            return Interrupted(context.stop_reason or "")
    return Granted(said=f"{done} {context.checkpoint.get_data('last')}")


def computes_until_told(wish: Wish, context: TaskContext) -> Granted | Interrupted:
    context.report_progress(0, "began")
    while not context.should_stop:
        sum(range(10_000))
    return Interrupted(context.stop_reason or "")


def catches(wish: Wish, context: TaskContext) -> Granted:
    try:
        context.checkpoint.save("one")
    except (TransientError, LeaseLost) as error:
        return Granted(said=f"{type(error).__name__} {error.message} {dict(error.details)}")
    return Granted(said="saved")


def saves(wish: Wish, context: TaskContext) -> Granted:
    context.checkpoint.save("one", {"text": "x" * wish.number})
    return Granted()


def holds_the_interpreter(wish: Wish, context: TaskContext) -> Granted:
    """So that no other thread of the process runs."""
    context.report_progress(0, "holds")
    return Granted(said=str(sum(range(10**13))))


def hangs(wish: Wish, context: TaskContext) -> Granted:
    context.report_progress(0, "hangs")
    threading.Event().wait()
    return Granted()


def allocates(wish: Wish, context: TaskContext) -> Granted:
    """In steps of a MiB, each touched, up to ``number``; then it waits to be told to stop."""
    kept = []
    for _ in range(wish.number):
        kept.append(bytearray(MIB))
        if context.should_stop:
            return Granted(said=f"{context.stop_reason} at {len(kept) * MIB}")
    context.report_progress(0, "allocated")
    while not context.should_stop:
        sum(range(1_000))
    return Granted(said=f"{context.stop_reason} at {len(kept) * MIB}")


def hoards(wish: Wish, context: TaskContext) -> Granted:
    """As :func:`allocates`, and never looks whether it should stop."""
    kept = [bytearray(MIB) for _ in range(wish.number)]
    threading.Event().wait()
    return Granted(said=str(len(kept)))


def starts_a_hoarder(wish: Wish, context: TaskContext) -> Granted:
    program = f"import signal; kept = [bytearray({MIB}) for _ in range({wish.number})]; signal.pause()"
    subprocess.run([sys.executable, "-c", program], check=False)
    return Granted()


def starts_a_hoarder_and_saves(wish: Wish, context: TaskContext) -> Granted:
    """While the hoarder takes its memory."""
    program = f"import signal; kept = [bytearray({MIB}) for _ in range({wish.number})]; signal.pause()"
    with subprocess.Popen([sys.executable, "-c", program]):
        context.checkpoint.save("one")
    return Granted()


def fills_its_folder(wish: Wish, context: TaskContext) -> Granted:
    """With ``number`` files of half a MiB."""
    for number in range(wish.number):
        (context.scratch / str(number)).write_bytes(b"x" * (MIB // 2))
    threading.Event().wait()
    return Granted()


def allocates_at_once(wish: Wish, context: TaskContext) -> Granted:
    return Granted(said=str(len(bytearray(wish.number * MIB))))


def leaves_a_fork(wish: Wish, context: TaskContext) -> Granted:
    """In a session of its own, with all descriptors of this process, which ends."""
    heard, said = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(said, str(os.getpid()).encode())
            signal.pause()
        os._exit(0)
    context.report_progress(0, os.read(heard, 100).decode())
    os._exit(3)


def removes_the_root(wish: Wish, context: TaskContext) -> Granted:
    shutil.rmtree(context.scratch.parent.parent)
    return Granted()


def upsets(wish: Wish, context: TaskContext) -> Granted:
    """What the process has for all its calls."""
    os.environ.clear()
    os.chdir(context.scratch)
    os.umask(0)
    return Granted()


def looks_around(wish: Wish, context: TaskContext) -> Granted:
    mask = os.umask(0o22)
    os.umask(mask)
    return Granted(said=f"{os.getcwd()} {mask:o} {sorted(os.environ.items())}".replace(os.environ["TMPDIR"], ""))  # noqa: PTH109


def is_cancelled(wish: Wish, context: TaskContext) -> Granted:
    """With a thread left behind that would hold up the process."""
    threading.Thread(target=threading.Event().wait).start()
    raise asyncio.CancelledError(wish.text)


LEAK: list[bytearray] = []


def leaks(wish: Wish, context: TaskContext) -> Granted:
    LEAK.append(bytearray(wish.number * MIB))
    return Granted(pid=os.getpid())


def ends(wish: Wish, context: TaskContext) -> Granted:
    if wish.text == "exit":
        os._exit(wish.number)
    if wish.text == "sys.exit":
        sys.exit(wish.number)
    if wish.text == "segfault":
        ctypes.string_at(0)
    sys.stderr.write("the last line\n")
    os.kill(os.getpid(), wish.number or signal.SIGKILL)
    return Granted()


def starts_programs(wish: Wish, context: TaskContext) -> Granted:
    """One in a session of its own, one that has lost its parent; says their process ids as its progress."""
    sleeper = "import signal, sys; print('up', flush=True); signal.pause()"
    own = subprocess.Popen([sys.executable, "-c", sleeper], start_new_session=True, stdout=subprocess.PIPE)
    middle = f"import subprocess as s, sys; print(s.Popen([sys.executable, '-c', {sleeper!r}], stdout=s.DEVNULL).pid)"
    parent = subprocess.run([sys.executable, "-c", middle], stdout=subprocess.PIPE, check=True)
    assert own.stdout is not None
    own.stdout.readline()
    orphan = parent.stdout.split()[0].decode()
    context.report_progress(0, f"{own.pid} {orphan}")
    if wish.text == "leave":
        return Granted()
    threading.Event().wait()
    return Granted()


def writes_files(wish: Wish, context: TaskContext) -> Granted:
    (context.scratch / "one").write_bytes(b"x" * wish.number)
    with tempfile.NamedTemporaryFile(delete=False) as other:
        other.write(b"y")
    context.report_progress(0, f"{context.scratch}|{other.name}")
    if wish.text == "hang":
        threading.Event().wait()
    return Granted(said=str(sorted(path.name for path in Path(tempfile.gettempdir()).iterdir())))


def breaks_the_protocol(wish: Wish, context: TaskContext) -> Granted:
    """Writes ``text`` to every descriptor that may be the channel."""
    for descriptor in range(3, 64):
        try:
            if Path(f"/proc/self/fd/{descriptor}").readlink().name.startswith("pipe:"):
                os.write(descriptor, bytes.fromhex(wish.text))
        except OSError:
            continue
    threading.Event().wait()
    return Granted()


def speaks_afterwards(wish: Wish, context: TaskContext) -> Granted:
    """Leaves a thread behind that saves a checkpoint once the call is over."""
    over = LATER

    def later() -> None:
        over.wait()
        over.clear()
        try:
            context.checkpoint.save("late")
            LATE.append("saved")
        except LeaseLost as error:
            LATE.append(error.code)
        over.set()

    threading.Thread(target=later, daemon=True).start()
    return Granted()


LATER = threading.Event()
LATE: list[str] = []


def lets_it_speak(wish: Wish, context: TaskContext) -> Granted:
    LATER.set()
    while not LATE:
        context.report_progress(1, "")
    return Granted(said=LATE[0])


def asks_again(wish: Wish, context: TaskContext) -> RetryLater | Granted:
    return RetryLater(wish.number, wish.text)


def is_interrupted(wish: Wish, context: TaskContext) -> Interrupted | Granted:
    return Interrupted(wish.text or "half \ud800 and \0")


def looks(wish: Wish, context: TaskContext) -> Granted:
    """At what it was given."""
    found = {
        "threads": os.environ["OMP_NUM_THREADS"],
        "cores": len(os.sched_getaffinity(0)),
        "files": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        "file": resource.getrlimit(resource.RLIMIT_FSIZE)[1],
        "core": resource.getrlimit(resource.RLIMIT_CORE)[1],
        "oom": int(Path("/proc/self/oom_score_adj").read_text("ascii")),
        "stdin": os.read(0, 1),
        "secrets": sorted(name for name in os.environ if name in ("DATABASE_URL", "AZURE_STORAGE_CONNECTION_STRING")),
        "temporary": tempfile.gettempdir() == os.environ["TMPDIR"] == str(context.scratch.parent),
    }
    return Granted(said=str(found), pid=os.getpid())


def fails(wish: Wish, context: TaskContext) -> Granted:
    if wish.text == "transient":
        raise TransientError("try \0 again")
    raise ValueError("its text may be secret")


def large(wish: Wish, context: TaskContext) -> Granted:
    return Granted(said="x" * wish.number)


WISHES: dict[str, Callable[..., object]] = {
    function.__name__: function
    for function in (
        prints,
        checkpoints,
        computes_until_told,
        catches,
        saves,
        hangs,
        holds_the_interpreter,
        allocates,
        hoards,
        allocates_at_once,
        starts_a_hoarder,
        starts_a_hoarder_and_saves,
        leaves_a_fork,
        removes_the_root,
        upsets,
        looks_around,
        is_cancelled,
        fills_its_folder,
        leaks,
        ends,
        starts_programs,
        writes_files,
        breaks_the_protocol,
        speaks_afterwards,
        lets_it_speak,
        asks_again,
        is_interrupted,
        looks,
        fails,
        large,
    )
}


def grant(wish: Wish, context: TaskContext) -> Granted | RetryLater | Interrupted:
    return WISHES[wish.wish](wish, context)  # type: ignore[return-value]


def registry(timeout: float = 60.0) -> HandlerRegistry:
    return HandlerRegistry([task_handler("grant", grant, timeout=timeout, long_running=True), *hello_world_handlers()])


def main() -> None:
    mode = sys.argv[1] if len(sys.argv) > 1 else ""
    if mode == "broken":
        sys.exit(7)
    if mode == "mute":
        threading.Event().wait()
    serve(registry(), MemoryBlobStore(), SystemClock(), warm_up=_fails if mode == "cold" else lambda: None)


def _fails() -> None:
    raise ValueError("no model")


if __name__ == "__main__":
    main()
