"""Settings: the one module that reads the environment, and what each setting means."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from core.boundary import problems
from core.errors import CoreMachineError

SHORTEST_KEY = 16
"""Characters of a secret by which the worker knows who calls."""


class SettingsInvalid(CoreMachineError):
    """A setting has a value that cannot be; the message names it."""

    code: ClassVar[str] = "SETTINGS_INVALID"


class Settings(BaseModel):
    """Everything that is set from outside, with its default. The alias is the environment variable."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    enable_test_endpoints: bool = Field(
        False, alias="ENABLE_TEST_ENDPOINTS", description="Serve the endpoints under /api/test; otherwise they are 404"
    )
    test_timeout_seconds: float = Field(
        200.0,
        gt=0,
        le=3_600,
        alias="TEST_TIMEOUT_SECONDS",
        description="How long a test call may take; Azure answers none after 230, a local host may read many pages",
    )
    test_max_body_bytes: int = Field(
        32 * 1024 * 1024, gt=0, alias="TEST_MAX_BODY_BYTES", description="The largest body of a test call"
    )
    test_max_concurrency: int = Field(
        4, gt=0, le=64, alias="TEST_MAX_CONCURRENCY", description="Test calls that run at once"
    )
    test_rate_per_minute: float = Field(
        600.0, gt=0, alias="TEST_RATE_PER_MINUTE", description="Test calls a minute, over all callers"
    )
    test_burst: int = Field(60, gt=0, alias="TEST_BURST", description="Test calls that are admitted at once")
    log_format: Literal["text", "json"] = Field(
        "text", alias="LOG_FORMAT", description="How the worker logs: text, or json with one object a line"
    )
    document_source_roots: str = Field(
        "",
        alias="DOCUMENT_SOURCE_ROOTS",
        description="Folders that document paths may name, separated by ;",
    )
    document_fetch_hosts: str = Field(
        "",
        alias="DOCUMENT_FETCH_HOSTS",
        description="Hosts that documents are fetched from by URL, separated by ;: HOST or *.DOMAIN for https, each "
        "with :PORT where it is another, or http://HOST",
    )
    document_fetch_networks: str = Field(
        "",
        alias="DOCUMENT_FETCH_NETWORKS",
        description="Private networks that such a host may be in, separated by ;, as 10.20.0.0/16; none by default",
    )
    document_fetch_seconds: float = Field(
        60.0, gt=0, le=3_600, alias="DOCUMENT_FETCH_SECONDS", description="How long fetching a document may take"
    )
    document_password_keys: str = Field(
        "",
        repr=False,
        alias="DOCUMENT_PASSWORD_KEYS",
        description="Keys that documents' passwords are sealed with while a job keeps them, separated by ;: the first "
        "seals, any opens; 32 random bytes in base64 each, and the same for each process",
    )
    document_max_bytes: int = Field(
        64 * 1024 * 1024, gt=0, alias="DOCUMENT_MAX_BYTES", description="The largest document"
    )
    document_max_pixels: int = Field(
        80_000_000, gt=0, le=178_956_970, alias="DOCUMENT_MAX_PIXELS", description="The largest page, in pixels"
    )
    document_max_pages: int = Field(1_000, gt=0, le=100_000, alias="DOCUMENT_MAX_PAGES", description="Pages a document")
    document_max_shrunk_pixels: int = Field(
        250_000_000,
        gt=0,
        alias="DOCUMENT_MAX_SHRUNK_PIXELS",
        description="The largest page, in pixels, of a format that can be decoded to a fraction of its size: JPEG",
    )
    document_max_page_pixels: int = Field(
        24_000_000,
        gt=0,
        alias="DOCUMENT_MAX_PAGE_PIXELS",
        description="A larger page is shrunk to this before it is read",
    )
    document_max_side: int = Field(
        30_000, gt=0, alias="DOCUMENT_MAX_SIDE", description="The longest side of a page, in pixels"
    )
    document_max_expansion: int = Field(
        64,
        gt=0,
        alias="DOCUMENT_MAX_EXPANSION",
        description="Pixels that a page over DOCUMENT_MAX_PIXELS has for a byte",
    )
    document_max_decoder_bytes: int = Field(
        512 * 1024 * 1024, gt=0, alias="DOCUMENT_MAX_DECODER_BYTES", description="Memory that decoding a page may take"
    )
    document_max_parts: int = Field(
        20_000, gt=0, alias="DOCUMENT_MAX_PARTS", description="Segments, chunks or blocks that a document may have"
    )
    document_max_nesting: int = Field(
        8, gt=0, le=100, alias="DOCUMENT_MAX_NESTING", description="How deep its parts may be nested"
    )
    document_max_scans: int = Field(
        100, gt=0, alias="DOCUMENT_MAX_SCANS", description="Scans that a progressive JPEG may have"
    )
    document_max_stream_bytes: int = Field(
        128 * 1024 * 1024,
        gt=0,
        alias="DOCUMENT_MAX_STREAM_BYTES",
        description="Bytes that a stream of a PDF may have once it is decompressed",
    )
    document_max_stream_expansion: int = Field(
        100,
        gt=0,
        alias="DOCUMENT_MAX_STREAM_EXPANSION",
        description="Bytes that such a stream of more than 4 MiB has for one in the file",
    )
    document_max_page_seconds: float = Field(
        60.0, ge=1, le=3_600, alias="DOCUMENT_MAX_PAGE_SECONDS", description="How long drawing a page of a PDF may take"
    )
    document_max_text_characters: int = Field(
        100_000,
        ge=0,
        alias="DOCUMENT_MAX_TEXT_CHARACTERS",
        description="Text in a job's result; its file has all of it",
    )
    document_max_preview_pages: int = Field(
        20, ge=0, alias="DOCUMENT_MAX_PREVIEW_PAGES", description="Pages of a document of which there are pictures"
    )
    document_preview_side: int = Field(
        1_600,
        gt=0,
        le=10_000,
        alias="DOCUMENT_PREVIEW_SIDE",
        description="The longer side of such a picture, in pixels",
    )
    document_task_seconds: float = Field(
        1_800.0,
        gt=0,
        le=86_400,
        alias="DOCUMENT_TASK_SECONDS",
        description="How long a task may read pages, or write what was read, before it is stopped and goes on anew",
    )
    document_reading_seconds: float = Field(
        300.0,
        ge=1,
        le=86_400,
        alias="DOCUMENT_READING_SECONDS",
        description="How long reading one page may take; one that takes longer twice is given up",
    )
    ocr_model_root: str = Field(
        ".models", min_length=1, alias="OCR_MODEL_ROOT", description="The folder of the OCR models"
    )
    ocr_engine: Literal["paddle", "test"] = Field(
        "paddle", alias="OCR_ENGINE", description="paddle, or test: one that reads a fixed text at once, for load tests"
    )
    docker_orchestration_mode: Literal["service_bus", "http_trigger"] = Field(
        "service_bus",
        alias="DOCKER_ORCHESTRATION_MODE",
        description="How a long task reaches the worker: service_bus, its queue; http_trigger, a function calls it",
    )
    docker_worker_url: str = Field(
        "", alias="DOCKER_WORKER_URL", description="Where functions call the worker in the mode http_trigger"
    )
    docker_trigger_keys: str = Field(
        "",
        repr=False,
        alias="DOCKER_TRIGGER_KEYS",
        description="Secrets that sign calls of the worker, separated by ;: the first signs, any is accepted",
    )
    docker_callback_hosts: str = Field(
        "",
        alias="DOCKER_CALLBACK_HOSTS",
        description="Hosts that the worker may call back when a task has ended, separated by ;",
    )
    docker_worker_key: str = Field(
        "",
        repr=False,
        alias="DOCKER_WORKER_KEY",
        description="What a caller of the worker's changing routes has to send as x-worker-key, at least 16 "
        "characters; unset, nobody can",
    )
    docker_http_host: str = Field(
        "127.0.0.1", min_length=1, alias="DOCKER_HTTP_HOST", description="The address that the worker listens on"
    )
    docker_http_port: int = Field(
        8080, ge=0, le=65_535, alias="DOCKER_HTTP_PORT", description="Its port; 0 takes a free one and says which"
    )
    docker_grace_seconds: float = Field(
        25.0,
        gt=0,
        le=3_600,
        alias="DOCKER_GRACE_SECONDS",
        description="How long the worker takes at most to end; less than what the platform allows, 30 by default",
    )
    docker_poll_seconds: float = Field(
        30.0, gt=0, le=30, alias="DOCKER_POLL_SECONDS", description="How long the worker waits at its queue at a time"
    )
    docker_task_memory_mb: int = Field(
        0,
        ge=0,
        alias="DOCKER_TASK_MEMORY_MB",
        description="Memory of a task's process, MiB; 0: by the container's limit",
    )
    docker_task_threads: int = Field(
        0, ge=0, le=1_024, alias="DOCKER_TASK_THREADS", description="Cores that a task may use; 0 is all that there are"
    )
    docker_task_open_files: int = Field(
        1_024, ge=64, le=1_048_576, alias="DOCKER_TASK_OPEN_FILES", description="Files that a task's process may open"
    )
    docker_task_scratch_mb: int = Field(
        4_096, gt=0, alias="DOCKER_TASK_SCRATCH_MB", description="What a task may keep in its folder on disk, MiB"
    )
    docker_scratch_root: str = Field(
        "",
        alias="DOCKER_SCRATCH_ROOT",
        description="Where such folders are made; the system's temporary folder if unset",
    )
    docker_child_max_tasks: int = Field(
        500, gt=0, alias="DOCKER_CHILD_MAX_TASKS", description="Tasks after which a task's process is made anew"
    )
    docker_child_max_growth_mb: int = Field(
        1_024,
        gt=0,
        alias="DOCKER_CHILD_MAX_GROWTH_MB",
        description="Growth of its memory since its first task after which it is, MiB",
    )
    docker_warm_up: Literal["accurate", "fast", "none"] = Field(
        "accurate",
        alias="DOCKER_WARM_UP",
        description="The OCR models that a task's process loads before a task needs them",
    )
    lease_seconds: float = Field(
        60.0,
        ge=1,
        le=3_600,
        alias="LEASE_SECONDS",
        description="How long a task is held by a process that is not heard of any more",
    )
    document_max_uploads: int = Field(
        4, gt=0, le=64, alias="DOCUMENT_MAX_UPLOADS", description="Uploads of documents that a process takes at once"
    )
    http_max_body_bytes: int = Field(
        1024 * 1024, gt=0, alias="HTTP_MAX_BODY_BYTES", description="The largest body of a call that is no document"
    )
    service_bus_connection: str = Field(
        "",
        repr=False,
        alias="SERVICE_BUS_CONNECTION",
        description="The connection string of Service Bus, which the triggers use too",
    )
    service_bus_fqdn: str = Field(
        "",
        alias="SERVICE_BUS_FQDN",
        description="Its host name, where one signs in with an identity: NAME.servicebus.windows.net; the triggers "
        "want the same as SERVICE_BUS_CONNECTION__fullyQualifiedNamespace",
    )
    jobs_queue: str = Field("jobs", min_length=1, max_length=260, alias="JOBS_QUEUE", description="The queue of jobs")
    tasks_queue: str = Field(
        "tasks", min_length=1, max_length=260, alias="TASKS_QUEUE", description="The queue of short tasks"
    )
    long_running_queue: str = Field(
        "long-running-tasks",
        min_length=1,
        max_length=260,
        alias="LONG_RUNNING_QUEUE",
        description="The queue of long tasks, which the worker takes",
    )
    service_bus_max_message_bytes: int = Field(
        256 * 1024,
        ge=64 * 1024,
        le=100 * 1024 * 1024,
        alias="SERVICE_BUS_MAX_MESSAGE_BYTES",
        description="The tier's largest message: 262144 on Standard, up to 104857600 on Premium",
    )
    reconcile_schedule: str = Field(
        "*/30 * * * * *", alias="RECONCILE_SCHEDULE", description="When the reconciler runs: NCRONTAB, seconds first"
    )
    dead_letter_schedule: str = Field(
        "15 * * * * *",
        alias="DEAD_LETTER_SCHEDULE",
        description="When dead letters are moved from the queues into the database, and plain files of links that have "
        "ended are removed",
    )
    retention_schedule: str = Field(
        "0 20 3 * * *", alias="RETENTION_SCHEDULE", description="When what is old is archived and deleted"
    )
    retention_days: int = Field(
        30, gt=0, le=36_500, alias="RETENTION_DAYS", description="How long an ended run is kept before it is archived"
    )
    database_url: str = Field(
        "",
        repr=False,
        alias="DATABASE_URL",
        description="The PostgreSQL database: postgresql://user:password@host/database, or libpq's keywords",
    )
    postgres_host: str = Field("", alias="POSTGRES_HOST", description="Its host, where there is no DATABASE_URL")
    postgres_port: int = Field(5_432, gt=0, le=65_535, alias="POSTGRES_PORT", description="Its port")
    postgres_db: str = Field("postgres", min_length=1, alias="POSTGRES_DB", description="Its name")
    postgres_user: str = Field(
        "", alias="POSTGRES_USER", description="Who signs in; with Entra the name of the identity as the server has it"
    )
    postgres_password: str = Field("", repr=False, alias="POSTGRES_PASSWORD", description="The password")
    postgres_sslmode: Literal["", "disable", "allow", "prefer", "require", "verify-ca", "verify-full"] = Field(
        "",
        alias="POSTGRES_SSLMODE",
        description="libpq's sslmode; unset it is verify-full, and prefer for a host that is this machine",
    )
    database_auth: Literal["password", "entra"] = Field(
        "password", alias="DATABASE_AUTH", description="password, or entra: a Microsoft Entra token for each connection"
    )
    database_connect_timeout: int = Field(
        10, ge=2, le=300, alias="DATABASE_CONNECT_TIMEOUT_SECONDS", description="How long a connection may take to make"
    )
    database_statement_timeout: float = Field(
        60.0, gt=0, le=3_600, alias="DATABASE_STATEMENT_TIMEOUT_SECONDS", description="How long a statement may take"
    )
    database_lock_timeout: float = Field(
        10.0, gt=0, le=3_600, alias="DATABASE_LOCK_TIMEOUT_SECONDS", description="How long it may wait for a lock"
    )
    database_idle_timeout: float = Field(
        60.0,
        gt=0,
        le=3_600,
        alias="DATABASE_IDLE_TRANSACTION_TIMEOUT_SECONDS",
        description="How long a transaction may do nothing",
    )
    database_pool_min: int = Field(
        2, ge=0, le=1_000, alias="DOCKER_DB_POOL_MIN", description="Database connections that a process keeps open"
    )
    database_pool_max: int = Field(
        10,
        gt=0,
        le=1_000,
        validate_default=True,
        alias="DOCKER_DB_POOL_MAX",
        description="Database connections that it opens at most",
    )
    database_pool_timeout: float = Field(
        10.0, gt=0, le=3_600, alias="DATABASE_POOL_TIMEOUT_SECONDS", description="How long a call waits for one of them"
    )
    storage_connection_string: str = Field(
        "",
        repr=False,
        alias="AZURE_STORAGE_CONNECTION_STRING",
        description="The storage account with its key, as the portal shows it; or UseDevelopmentStorage=true",
    )
    storage_account_url: str = Field(
        "",
        alias="AZURE_STORAGE_ACCOUNT_URL",
        description="https://ACCOUNT.blob.core.windows.net, signed in to as this process's identity; no key is needed",
    )
    storage_container: str = Field(
        "coremachine",
        min_length=3,
        max_length=63,
        pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$",
        alias="AZURE_STORAGE_CONTAINER",
        description="The container of all blobs, made by the first write",
    )
    portal_keys: str = Field(
        "",
        repr=False,
        alias="PORTAL_KEYS",
        description="Keys that wrap those of encrypted files, as ID=KEY, separated by ;: the first seals, any opens; "
        "32 random bytes in base64 each, and the same for each process",
    )
    portal_key_vault_keys: str = Field(
        "",
        alias="PORTAL_KEY_VAULT_KEYS",
        description="RSA keys of Azure Key Vault for the same, before those, separated by ;: "
        "https://NAME.vault.azure.net/keys/KEY, with /VERSION for one that stays",
    )
    portal_link_seconds: float = Field(
        900.0,
        ge=1,
        le=86_400,
        alias="PORTAL_LINK_SECONDS",
        description="How long a link to upload or download a portal's file lasts",
    )

    @field_validator("database_pool_max")
    @classmethod
    def _not_below_the_minimum(cls, value: int, info: ValidationInfo) -> int:
        if value < info.data.get("database_pool_min", 0):
            raise ValueError("DOCKER_DB_POOL_MAX is less than DOCKER_DB_POOL_MIN")
        return value

    @field_validator("docker_worker_key")
    @classmethod
    def _fit_for_a_key(cls, value: str) -> str:
        key = value.strip()  # a header has no space around its value, and a file of a secret a line feed at its end
        if key and (len(key) < SHORTEST_KEY or not key.isprintable()):
            raise ValueError(f"DOCKER_WORKER_KEY has less than {SHORTEST_KEY} characters, or others than text")
        return key

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Raises :class:`SettingsInvalid`. An empty variable counts as not set."""
        given = {name: environment[name] for name in cls.names() if environment.get(name, "").strip()}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            lines = "; ".join(f"{found['field']}: {found['problem']}" for found in problems(error))
            raise SettingsInvalid(lines) from error

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The environment variables that are read."""
        return tuple(str(field.alias) for field in cls.model_fields.values())

    @property
    def has_bus(self) -> bool:
        """Whether a Service Bus is named: without one there are neither queues nor jobs, only the test endpoints."""
        return bool(self.service_bus_connection or self.service_bus_fqdn)

    @property
    def calls_worker(self) -> bool:
        """Whether functions call the worker, which else asks its queue."""
        return self.docker_orchestration_mode == "http_trigger"

    @property
    def trigger_keys(self) -> tuple[str, ...]:
        return _listed(self.docker_trigger_keys)

    @property
    def callback_hosts(self) -> tuple[str, ...]:
        return tuple(host.lower() for host in _listed(self.docker_callback_hosts))

    @property
    def fetch_hosts(self) -> tuple[str, ...]:
        return _listed(self.document_fetch_hosts)

    @property
    def fetch_networks(self) -> tuple[str, ...]:
        return _listed(self.document_fetch_networks)

    @property
    def password_keys(self) -> tuple[str, ...]:
        return _listed(self.document_password_keys)

    @property
    def portal_local_keys(self) -> tuple[str, ...]:
        return _listed(self.portal_keys)

    @property
    def portal_vault_keys(self) -> tuple[str, ...]:
        return _listed(self.portal_key_vault_keys)

    @property
    def source_roots(self) -> tuple[Path, ...]:
        return tuple(Path(root) for root in _listed(self.document_source_roots))


def _listed(text: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in text.split(";") if one.strip())
