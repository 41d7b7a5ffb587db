"""Handlers that do to their process what none should; for ``--once``."""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from pydantic import BaseModel

from core.context import TaskContext
from core.errors import TaskError, TransientTaskError
from core.handlers import TaskHandler, task_handler
from core.outcome import Interrupted, RetryLater
from testing.factories import Registries

GOES_ON = b"it goes on\n"
"""Said when nothing but a signal will end it."""

AT_THE_END = b"at the end\n"


class Params(BaseModel):
    text: str = ""


class Result(BaseModel):
    text: str
    ratio: float | None = None


class Wrong(TaskError):
    code = "QUITE_WRONG"


def stores(params: Params, context: TaskContext) -> Result:
    """Leaves blobs and a file behind."""
    context.blobs.put("out/b.bin", b"12345", "application/octet-stream")
    context.blobs.put("out/a.txt", b"", "text/plain")
    (context.scratch / "file").write_text("x", "utf-8")
    return Result(text=params.text)


def prints(params: Params, context: TaskContext) -> Result:
    """By Python, by a C library, by descriptor and by a program that it starts."""
    print("printed by Python", flush=True)  # noqa: T201
    print("left in the buffer")  # noqa: T201
    sys.__stdout__.write("to the first standard output\n")  # type: ignore[union-attr]
    libc = ctypes.CDLL(None)
    libc.puts(b"printed by C")
    libc.fflush(None)
    os.write(1, b"written to 1\n")
    os.system("echo printed by a program")
    return Result(text=params.text)


def leaves_things_behind(params: Params, context: TaskContext) -> Result:
    """A thread that does not end, a program that keeps every descriptor that it can, and something for the end."""
    threading.Thread(target=threading.Event().wait).start()
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(20)"], close_fds=False, start_new_session=True)
    return Result(text=params.text)


def leaves_programs(params: Params, context: TaskContext) -> Result:
    """Two that run on, in sessions of their own, one of them without a parent. Tells their numbers."""
    child = subprocess.Popen(["sleep", "3600"], start_new_session=True)
    starts = ["sh", "-c", "sleep 3600 >/dev/null & echo $!"]
    orphan = subprocess.run(starts, stdout=subprocess.PIPE, text=True, check=True, start_new_session=True)
    return Result(text=f"{child.pid} {orphan.stdout}")


def says_much(params: Params, context: TaskContext) -> Result:
    """More than a pipe holds."""
    return Result(text="x" * 1_000_000)


def writes_everywhere(params: Params, context: TaskContext) -> Result:
    """To every descriptor that the process has."""
    for number in range(2, 64):
        with suppress(OSError):
            os.write(number, b"not the answer\n" * 100)
    return Result(text=params.text)


def asks_for_the_end(params: Params, context: TaskContext) -> Result:
    atexit.register(os.write, 2, AT_THE_END)
    return Result(text=params.text)


def raises(params: Params, context: TaskContext) -> Result:
    raise ValueError(f"the document said {params.text}")


def fails(params: Params, context: TaskContext) -> Result:
    raise Wrong("so it is")


def fails_for_now(params: Params, context: TaskContext) -> Result:
    raise TransientTaskError("for now")


def later(params: Params, context: TaskContext) -> Result | RetryLater:
    return RetryLater(5.0, "not yet")


def gives_in(params: Params, context: TaskContext) -> Result | Interrupted:
    return Interrupted("of its own accord")


def no_memory(params: Params, context: TaskContext) -> Result:
    raise MemoryError


def too_deep(params: Params, context: TaskContext) -> Result:
    return too_deep(params, context)


def says_nan(params: Params, context: TaskContext) -> Result:
    return Result.model_construct(text=params.text, ratio=float("nan"))


def says_half_a_pair(params: Params, context: TaskContext) -> Result:
    return Result.model_construct(text="\ud800")


def says_something_else(params: Params, context: TaskContext) -> Result:
    return {"text": params.text}  # type: ignore[return-value]


def leaves(params: Params, context: TaskContext) -> Result:
    sys.exit(int(params.text or 0))


def is_interrupted(params: Params, context: TaskContext) -> Result:
    raise KeyboardInterrupt


def ends_its_process(params: Params, context: TaskContext) -> Result:
    os._exit(int(params.text or 0))


def kills_its_process(params: Params, context: TaskContext) -> Result:
    os.kill(os.getpid(), signal.SIGKILL)
    return Result(text="not reached")


def crashes_its_process(params: Params, context: TaskContext) -> Result:
    ctypes.string_at(0)
    return Result(text="not reached")


def goes_on(params: Params, context: TaskContext) -> Result | Interrupted:
    """Until it is told to stop."""
    os.write(2, GOES_ON)
    while not context.should_stop:
        time.sleep(0.01)
    return Interrupted("told to")


def is_deaf(params: Params, context: TaskContext) -> Result:
    """Goes on, whatever it is told."""
    os.write(2, GOES_ON)
    while True:
        time.sleep(0.01)


HANDLERS: Mapping[str, Callable[..., Result | Interrupted | RetryLater]] = {
    function.__name__: function
    for function in (
        stores,
        prints,
        leaves_things_behind,
        leaves_programs,
        says_much,
        writes_everywhere,
        asks_for_the_end,
        raises,
        fails,
        fails_for_now,
        later,
        gives_in,
        no_memory,
        too_deep,
        says_nan,
        says_half_a_pair,
        says_something_else,
        leaves,
        is_interrupted,
        ends_its_process,
        kills_its_process,
        crashes_its_process,
        goes_on,
        is_deaf,
    )
}


def handlers() -> tuple[TaskHandler, ...]:
    return tuple(task_handler(name, function, timeout=60.0) for name, function in HANDLERS.items())


def registries() -> Registries:
    return Registries.of((), handlers())


if __name__ == "__main__":
    from docker_worker.once import main

    sys.exit(main(registries))
