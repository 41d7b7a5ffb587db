"""``local.settings.json``, as Core Tools reads it, and where the local host's keys live.

::

    {
      "IsEncrypted": false,
      "Values": {"NAME": "text", ...},            become environment variables; an existing one wins
      "Host": {
        "LocalHttpPort": 7071,
        "CORS": "http://localhost:3000,...",      or "*"
        "CORSCredentials": false,
        "Keys": {                                 ours; Core Tools ignores it
          "master": "...",
          "host": {"default": "..."},
          "functions": {"function_name": {"default": "..."}}
        }
      }
    }

The keys are enforced as soon as there is one. No value of this file is ever part of an error.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictStr, ValidationError

from local.errors import SettingsInvalid
from local.functions_host.auth import Keys

FILE_NAME = "local.settings.json"
EXAMPLE_NAME = "local.settings.json.example"
DEFAULT_PORT = 7071


@dataclass(frozen=True, slots=True)
class LocalSettings:
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    port: int = DEFAULT_PORT
    cors_origins: tuple[str, ...] = ()
    cors_credentials: bool = False
    keys: Keys = field(default_factory=Keys)


class _KeysSection(BaseModel):
    model_config = ConfigDict(extra="forbid")

    master: StrictStr | None = None
    host: dict[str, StrictStr] = {}
    functions: dict[str, dict[str, StrictStr]] = {}


class _HostSection(BaseModel):
    port: Annotated[int, Field(alias="LocalHttpPort", ge=0, le=65535, strict=True)] = DEFAULT_PORT
    cors: Annotated[StrictStr, Field(alias="CORS")] = ""
    cors_credentials: Annotated[bool, Field(alias="CORSCredentials", strict=True)] = False
    keys: Annotated[_KeysSection, Field(alias="Keys")] = _KeysSection()


class _Document(BaseModel):
    encrypted: Annotated[bool, Field(alias="IsEncrypted", strict=True)] = False
    values: Annotated[dict[str, StrictStr], Field(alias="Values")] = {}
    host: Annotated[_HostSection, Field(alias="Host")] = _HostSection()


def read_settings_file(path: Path) -> LocalSettings:
    """Defaults when the file is not there. Raises :class:`SettingsInvalid`."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return LocalSettings()
    except OSError as error:
        raise SettingsInvalid(f"{path.name} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsInvalid(f"{path.name}: byte {error.start} is not UTF-8") from None
    return parse_settings(text, path.name)


def parse_settings(text: str, name: str = FILE_NAME) -> LocalSettings:
    """Raises :class:`SettingsInvalid`."""
    try:
        document = _Document.model_validate(json.loads(text))
    except json.JSONDecodeError as error:
        raise SettingsInvalid(f"{name}: line {error.lineno}: this is not JSON: {error.msg}") from error
    except ValidationError as error:
        # The cause is left out: pydantic's text holds the values.
        raise SettingsInvalid(f"{name}: {_first_problem(error)}") from None
    except RecursionError:
        raise SettingsInvalid(f"{name}: it is nested too deeply") from None
    except ValueError:  # Python's limit on the digits of a number
        raise SettingsInvalid(f"{name}: a number has too many digits") from None
    if document.encrypted:
        raise SettingsInvalid(
            f"{name}: its values are encrypted (IsEncrypted is true), which only Core Tools can read;"
            " run 'func settings decrypt' and start again"
        )
    for variable, value in document.values.items():
        if problem := _no_variable(variable, value):
            raise SettingsInvalid(f"{name}: Values: {variable!a} {problem}")
    return _settings(document)


def _no_variable(name: str, value: str) -> str | None:
    """Why a system's environment cannot hold the variable; None where it can."""
    if not name or "=" in name:
        return "is no name of an environment variable"
    if "\0" in name + value:
        return "has a NUL character in it"
    if any("\ud800" <= character <= "\udfff" for character in name + value):
        return "has half a surrogate pair in it"
    return None


def create_settings_file(folder: Path) -> bool:
    """Copies the example when there is no settings file yet; readable by its owner only. Whether it did.

    Raises :class:`SettingsInvalid`.
    """
    example, path = folder / EXAMPLE_NAME, folder / FILE_NAME
    if path.exists() or not example.is_file():
        return False
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(example.read_bytes())
    except OSError as error:
        raise SettingsInvalid(f"{FILE_NAME} cannot be made from {EXAMPLE_NAME}: {error.strerror}") from error
    return True


def merged_environment(values: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """The environment with the file's values; what is already set stays, as in Core Tools."""
    return {**values, **environment}


def _settings(document: _Document) -> LocalSettings:
    host = document.host
    return LocalSettings(
        values=document.values,
        port=host.port,
        cors_origins=tuple(origin.strip() for origin in host.cors.split(",") if origin.strip()),
        cors_credentials=host.cors_credentials,
        keys=Keys(
            master=host.keys.master,
            host=host.keys.host,
            functions={name.lower(): keys for name, keys in host.keys.functions.items()},
        ),
    )


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in problem["loc"]) or "the document"
    return f"{place}: {problem['msg']}"
