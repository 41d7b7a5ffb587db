"""Imports the module that holds the app, as the Python worker does.

Source: `azure_functions_runtime.loader.index_function_app`: the module is imported by its bare name with the script
root on the path, and exactly one of its top-level names is a function app.
"""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, TracebackType

import azure.functions as func
from azure.functions.decorators.function_app import FunctionRegister

from infrastructure.settings import SettingsInvalid
from local.errors import AppNotLoadable

SCRIPT_FILE_SETTING = "PYTHON_SCRIPT_FILE_NAME"
DEFAULT_SCRIPT_FILE = "function_app.py"
FRAMES = 5
_OURS = (__file__, importlib.__file__, "<frozen importlib")


def load_app(script_root: Path, environment: Mapping[str, str]) -> func.FunctionApp:
    """Puts ``script_root`` at the head of the path and imports the app's module.

    Raises :class:`AppNotLoadable`, from what the import raised, if it did; the places in the app that led to it are
    on the standard error then.
    """
    path = script_root / environment.get(SCRIPT_FILE_SETTING, DEFAULT_SCRIPT_FILE)
    if not path.is_file():
        raise AppNotLoadable(f"there is no {path.name} in {script_root}; name the folder with --script-root")
    return _only_app(_import(path), path)


def _import(path: Path) -> ModuleType:
    root = str(path.parent.resolve())
    if root not in sys.path:
        sys.path.insert(0, root)
    loaded = sys.modules.get(path.stem)
    if loaded is not None and Path(loaded.__file__ or "").resolve() != path.resolve():
        del sys.modules[path.stem]
    importlib.invalidate_caches()
    try:
        return importlib.import_module(path.stem)
    except SettingsInvalid as error:
        raise AppNotLoadable(f"{path.name} refuses its settings: {error}") from error
    except (Exception, SystemExit) as error:  # the boundary around a module that is the user's
        traceback.print_exception(error.with_traceback(_frames_of_the_app(error.__traceback__)), limit=-FRAMES)
        raise AppNotLoadable(f"{path.name} cannot be imported: {_one_line(error)}") from error


def _frames_of_the_app(frames: TracebackType | None) -> TracebackType | None:
    """Without those of this module and of the import system, which come first."""
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_OURS):
        frames = frames.tb_next
    return frames


def _one_line(error: BaseException) -> str:
    lines = "".join(traceback.format_exception_only(error)).strip().splitlines()
    return f"{lines[-1]} ({lines[0].strip()})" if isinstance(error, SyntaxError) and len(lines) > 1 else lines[0]


def _only_app(module: ModuleType, path: Path) -> func.FunctionApp:
    names = [name for name, value in vars(module).items() if isinstance(value, FunctionRegister)]
    if not names:
        raise AppNotLoadable(f"{path.name} has no function app at its top level")
    if len(names) > 1:
        raise AppNotLoadable(f"{path.name} has more than one name for a function app ({', '.join(names)}); keep one")
    app: func.FunctionApp = getattr(module, names[0])
    return app
