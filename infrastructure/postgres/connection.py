"""Where the database is, who signs in, and how a session begins."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

from core.errors import StoreMisconfigured, StoreUnavailable
from infrastructure.hosts import is_loopback
from infrastructure.postgres.errors import BAD_PARAMETER, translated
from infrastructure.settings import Settings, SettingsInvalid

Connection = psycopg.Connection[TupleRow]

APPLICATION_NAME = "coremachine"

ENTRA_SCOPE = "https://ossrdbms-aad.database.windows.net/.default"
"""What a Microsoft Entra token is asked for, that Azure Database for PostgreSQL takes it as a password."""

ROOT_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
"""Where Debian and Alpine, Red Hat, and macOS keep the certificates of the public authorities."""

_KEEPALIVES = {
    # Azure's load balancers forget a connection that was silent for four minutes.
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}


class Token(Protocol):
    @property
    def token(self) -> str: ...


class TokenCredential(Protocol):
    """The part of ``azure.core.credentials.TokenCredential`` that is used."""

    def get_token(self, *scopes: str) -> Token: ...


@dataclass(frozen=True, slots=True)
class ConnectionSource:
    """Makes connections. ``parameters`` are libpq's; each connection asks the ``credential``, if any, for a token."""

    parameters: Mapping[str, str] = field(repr=False)
    credential: TokenCredential | None = field(default=None, repr=False)

    @classmethod
    def from_settings(
        cls,
        settings: Settings,
        *,
        credential: TokenCredential | None = None,
        application_name: str = APPLICATION_NAME,
    ) -> ConnectionSource:
        """``credential`` replaces Azure's own chain where ``DATABASE_AUTH`` is ``entra``.

        Raises :class:`SettingsInvalid` where no database is named, the URL cannot be read, or a token would
        travel without TLS.
        """
        given = _given(settings)
        session = _session(settings) | {"application_name": application_name}
        options = " ".join(filter(None, (_options(settings), given.get("options"))))
        parameters = session | given | tls_parameters(given) | {"options": options, "client_encoding": "UTF8"}
        if settings.database_auth == "password":
            return cls(parameters)
        _check_token_is_safe(parameters)
        return cls(parameters, credential or _own_credential())

    @property
    def address(self) -> str:
        """Where it connects to, as ``host:port/database``; nothing secret."""
        host, port = (self.parameters.get(name, "") for name in ("host", "port"))
        return f"{host or 'this machine'}{f':{port}' if port else ''}/{self.parameters.get('dbname', '')}"

    def connect(self) -> Connection:
        """A new connection, in autocommit mode: a statement alone is a transaction alone.

        Raises :class:`StoreUnavailable` or one of its subclasses.
        """
        with connecting():
            return psycopg.Connection.connect(self.conninfo(), autocommit=True)

    def conninfo(self) -> str:
        """A connection string with the password, or with the token of this moment. Not to be kept."""
        if self.credential is None:
            return make_conninfo(**self.parameters)
        return make_conninfo(**self.parameters, password=_fetch_token(self.credential))


@contextmanager
def connecting() -> Iterator[None]:
    """Around making a connection: a parameter that cannot be is :class:`StoreMisconfigured`, and no bug of ours."""
    with translated():
        try:
            yield
        except psycopg.ProgrammingError as error:
            raise StoreMisconfigured(BAD_PARAMETER.message) from error


def tls_parameters(parameters: Mapping[str, str]) -> dict[str, str]:
    """``sslmode`` and ``sslrootcert`` for a host, where ``parameters`` do not name them.

    This machine: ``prefer``. Any other: ``verify-full``, and not ``require``, which encrypts for whoever answers and
    hands him the password or the token. Azure's servers have certificates of public authorities (DigiCert Global
    Root G2, Microsoft RSA Root 2017), so it works there without a file of one's own.
    """
    mode = parameters.get("sslmode") or ("prefer" if is_local(parameters) else "verify-full")
    tls = {"sslmode": mode}
    if mode.startswith("verify") and "sslrootcert" not in parameters:
        tls["sslrootcert"] = trusted_roots()
    return tls


def trusted_roots() -> str:
    """The file of the public authorities' certificates, or ``system``.

    libpq's own ``sslrootcert=system`` comes last, since psycopg's binary wheels carry an OpenSSL that looks for them
    in a folder that no system has.
    """
    own = ssl.get_default_verify_paths().cafile
    candidates = (own, *ROOT_BUNDLES) if own else ROOT_BUNDLES
    return next((path for path in candidates if Path(path).is_file()), "system")


def is_local(parameters: Mapping[str, str]) -> bool:
    """Whether every host is this machine: a socket's folder, ``localhost``, or a loopback address."""
    hosts = parameters.get("hostaddr") or parameters.get("host")
    if not hosts and "service" in parameters:
        return False
    return all(_is_local_host(host.strip()) for host in (hosts or _default_host()).split(","))


def _default_host() -> str:
    """Where libpq connects if it is told no host: ``PGHOST`` or the like, or else, empty, a socket of this machine."""
    defaults = {option.keyword: option.val for option in pq.Conninfo.get_defaults()}
    return (defaults[b"hostaddr"] or defaults[b"host"] or b"").decode()


def _is_local_host(host: str) -> bool:
    return not host or host.startswith(("/", "@")) or is_loopback(host)


def _given(settings: Settings) -> dict[str, str]:
    """libpq's parameters as the settings name them. Raises :class:`SettingsInvalid`."""
    if settings.database_url:
        given = _parse(settings.database_url)
    elif settings.postgres_host:
        given = {"host": settings.postgres_host, "port": str(settings.postgres_port), "dbname": settings.postgres_db}
    else:
        raise SettingsInvalid("DATABASE_URL or POSTGRES_HOST: one of them has to name the database")
    own = {
        "user": settings.postgres_user,
        "password": settings.postgres_password,
        "sslmode": settings.postgres_sslmode,
    }
    given = {name: value for name, value in own.items() if value} | given
    if settings.database_auth == "entra":
        given.pop("password", None)
    return given


def _parse(url: str) -> dict[str, str]:
    with suppress(psycopg.Error, UnicodeEncodeError):
        return {name: str(value) for name, value in conninfo_to_dict(url).items()}
    # Outside of the handler, so without context: libpq quotes what it could not read, which may be the password.
    raise SettingsInvalid("DATABASE_URL: neither postgresql://user:password@host/database nor libpq's keyword=value")


def _session(settings: Settings) -> dict[str, str]:
    return {
        "connect_timeout": str(settings.database_connect_timeout),
        "gssencmode": "disable",
        **_KEEPALIVES,
    }


def _options(settings: Settings) -> str:
    """What each session sets, sent with the sign-in and so without a round trip of its own.

    Every name in our SQL has its schema, so the search path is empty and a name without one fails at once. Statements
    are prepared and look rows up by key: a plan that was made while a table was empty must be right when it is large,
    and so it is made once. Left to itself the server plans a statement anew each time where that seems to be cheaper
    for few rows, which takes several times as long as the statement.
    """
    values = {
        "statement_timeout": _milliseconds(settings.database_statement_timeout),
        "lock_timeout": _milliseconds(settings.database_lock_timeout),
        "idle_in_transaction_session_timeout": _milliseconds(settings.database_idle_timeout),
        "timezone": "UTC",
        "search_path": "pg_catalog",
        "default_transaction_isolation": r"read\ committed",
        "jit": "off",
        "enable_seqscan": "off",
        "plan_cache_mode": "force_generic_plan",
    }
    return " ".join(f"-c {name}={value}" for name, value in values.items())


def _milliseconds(seconds: float) -> int:
    """At least one: to PostgreSQL zero is no limit."""
    return max(1, round(seconds * 1_000))


def _check_token_is_safe(parameters: Mapping[str, str]) -> None:
    if parameters["sslmode"] in {"disable", "allow", "prefer"} and not is_local(parameters):
        raise SettingsInvalid("DATABASE_AUTH: a token travels with TLS only: sslmode has to be require or verify-full")


def _own_credential() -> TokenCredential:
    from infrastructure.tokens import default_credential  # noqa: PLC0415 - the SDK, for which only Entra has to pay

    return default_credential()


def _fetch_token(credential: TokenCredential) -> str:
    from azure.core.exceptions import AzureError, ClientAuthenticationError  # noqa: PLC0415 - as above

    try:
        return credential.get_token(ENTRA_SCOPE).token
    except ClientAuthenticationError as error:
        raise StoreMisconfigured("no Microsoft Entra token: check the identity that this process runs as") from error
    except AzureError as error:
        raise StoreUnavailable("no Microsoft Entra token: the identity service does not answer, try again") from error
