"""Where a sweep is kept, who owns its running trials, and how those of a dead owner are put back.

Only the process that called `cl.sweep` touches the storage; workers talk to it. A running trial carries its owner:
host, process and a tag, whose heartbeat stands among the study's attributes. When the owner is gone, the very same
trial goes back into the queue, so that the number of trials in the storage is the number that was asked for. Optuna's
own heartbeat belongs to `study.optimize` and to databases, and puts a copy of a lost trial beside the lost one.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
import uuid
from pathlib import Path

import optuna
import sqlalchemy
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from course_lib.errors import ArgumentError, nearest

DEFAULT = "sqlite:///runs/sweep.db"
LOCK_SECONDS = 30.0  # how long to wait for another process to let go of an SQLite file
BEAT_SECONDS, STALE_SECONDS = 10.0, 60.0
MOST_RESTARTS = 3
DRIVERS = {"postgresql": "psycopg2-binary", "mysql": "mysqlclient", "oracle": "oracledb", "mssql": "pyodbc"}
EXAMPLES = "'sqlite:///runs/sweep.db', 'journal:///runs/sweep.log' or 'postgresql://user:password@host/database'"


def shown(url: str) -> str:
    """`url` without its password."""
    try:
        return sqlalchemy.engine.make_url(url).render_as_string(hide_password=True)
    except sqlalchemy.exc.ArgumentError:
        return url


@contextlib.contextmanager
def sentences(url: str):
    """Trouble with the storage as a sentence."""
    try:
        yield
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise ArgumentError(_sentence(url, error)) from None


def _sentence(url: str, error: Exception) -> str:
    cause = error.__cause__ if isinstance(error.__cause__, sqlalchemy.exc.SQLAlchemyError) else error
    text, name = str(getattr(cause, "orig", None) or cause).splitlines()[0], f"storage={shown(url)!r}"
    if "locked" in text:
        return (
            f"{name} is locked by another process, for more than {LOCK_SECONDS:g} s; close what holds it and call the "
            "sweep again: finished trials are kept. For many processes at once use a server, e.g. postgresql://…"
        )
    if isinstance(cause, sqlalchemy.exc.NoSuchModuleError):
        dialect = url.split(":")[0].split("+")[0]
        return f"{name} names a database {dialect!r} that is not known; accepted: {EXAMPLES}{_near(dialect)}"
    if isinstance(cause, sqlalchemy.exc.ArgumentError):
        return f"{name} is not a storage URL; accepted: {EXAMPLES}"
    return f"{name} cannot be used: {text}; accepted: {EXAMPLES}. Finished trials are kept"


def _near(dialect: str) -> str:
    return nearest(dialect, ["sqlite", "journal", *DRIVERS])


def open_storage(url: str | None):
    """The storage behind `url` (None: the default file) -> storage, url. Folders are created."""
    url = DEFAULT if url is None else url
    if not isinstance(url, str) or ":" not in url:
        raise ArgumentError(f"storage={url!r} is not a storage URL; accepted: {EXAMPLES}")
    if url.startswith("journal:"):
        return _journal(url), url
    try:
        with sentences(url):
            where = sqlalchemy.engine.make_url(url)
            options = {}
            if where.get_backend_name() == "sqlite":
                options = {"connect_args": {"timeout": LOCK_SECONDS}}
                if where.database and where.database != ":memory:":
                    _make_folder(Path(where.database), url)
            return _database(url, options), url
    except ImportError:
        package = DRIVERS.get(url.split(":")[0].split("+")[0], "the one for this database")
        raise ArgumentError(
            f"storage={shown(url)!r} needs a database driver that is not installed: pip install {package}"
        ) from None
    except (ValueError, RuntimeError) as error:  # tables of another kind or of a newer Optuna
        if isinstance(error, ArgumentError):
            raise
        raise ArgumentError(f"storage={shown(url)!r} cannot be used: {str(error).splitlines()[0]}") from None


def _database(url: str, options: dict) -> RDBStorage:
    """Optuna's storage; where another process makes the same tables at this moment, they are there the next time."""
    for _ in range(3):
        try:
            return RDBStorage(url, engine_kwargs=options)
        except (sqlalchemy.exc.OperationalError, sqlalchemy.exc.IntegrityError) as error:
            if "exists" not in str(error) and not isinstance(error, sqlalchemy.exc.IntegrityError):
                raise
            time.sleep(0.3)
    return RDBStorage(url, engine_kwargs=options)


def _make_folder(path: Path, url: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArgumentError(
            f"storage={url!r} cannot be written: {error.strerror}; choose a folder you may write to"
        ) from None


def _journal(url: str) -> JournalStorage:
    path = url.removeprefix("journal:///")
    if path == url or not path:
        raise ArgumentError(f"storage={url!r} is not a storage URL; a journal is 'journal:///' and the path of a file")
    _make_folder(Path(path), url)
    try:
        backend = JournalFileBackend(path)
        _drop_torn_line(backend, path)
        return JournalStorage(backend)
    except (OSError, ValueError, KeyError) as error:
        why = getattr(error, "strerror", None) or "it is not a journal"
        raise ArgumentError(f"storage={url!r} cannot be used: {why}") from None


def _drop_torn_line(backend: JournalFileBackend, path: str) -> None:
    """Cut off a last line without its end, left by a crash of the machine: what is added would be unreadable."""
    from optuna.storages.journal._file import get_lock_file

    with get_lock_file(backend._lock), open(path, "rb+") as file:
        content = file.read()
        if content and not content.endswith(b"\n"):
            file.truncate(content.rfind(b"\n") + 1)


# --- owners -------------------------------------------------------------------------------------

_ACTIVE: set[str] = set()  # owners in this process


class Owner:
    """This call of `cl.sweep`: while entered, a thread keeps its heartbeat in the study."""

    def __init__(self, study: optuna.Study):
        self.name = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._study, self._stop = study, threading.Event()
        self._thread = threading.Thread(target=self._beat, name="sweep heartbeat", daemon=True)

    def __enter__(self) -> Owner:
        _ACTIVE.add(self.name)
        self._study.set_user_attr(f"beat {self.name}", time.time())
        engine = getattr(getattr(self._study._storage, "_backend", None), "engine", None)
        if engine is None or str(engine.url) not in ("sqlite://", "sqlite:///:memory:"):  # that lives in one thread
            self._thread.start()
        return self

    def _beat(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            with contextlib.suppress(Exception):  # a busy database: the next beat will do
                self._study.set_user_attr(f"beat {self.name}", time.time())

    def __exit__(self, *exc) -> None:
        _ACTIVE.discard(self.name)
        self._stop.set()


def lives(owner: str | None, study: optuna.Study, since: float) -> bool:
    """Whether the `owner` of a trial begun at `since` (Unix time) still works on it."""
    if owner is None:  # it may be about to sign
        return time.time() - since < STALE_SECONDS
    if owner in _ACTIVE:
        return True
    host, pid, _ = owner.rsplit(":", 2)
    if host == socket.gethostname() and (int(pid) == os.getpid() or not _exists(int(pid))):
        return False
    return time.time() - study.user_attrs.get(f"beat {owner}", 0.0) < STALE_SECONDS


def _exists(pid: int) -> bool:
    if os.name == "nt":  # there os.kill ends the process
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def recover(study: optuna.Study) -> int:
    """Put trials whose owner is gone back into the queue -> how many."""
    found = 0
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        since = trial.datetime_start.timestamp() if trial.datetime_start else 0.0
        if not lives(trial.user_attrs.get("owner"), study, since):
            put_back(study, trial, "its process ended")
            found += 1
    return found


def put_back(study: optuna.Study, trial, why: str | None) -> bool:
    """Queue the unfinished `trial` again, itself: same number, same parameters -> whether it will run again.

    With a reason `why`, it is counted, and given up as failed after `MOST_RESTARTS`.
    """
    storage = study._storage
    with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
        if why is not None:
            restarts = trial.user_attrs.get("restarts", 0) + 1
            storage.set_trial_user_attr(trial._trial_id, "restarts", restarts)
            if restarts > MOST_RESTARTS:
                reason = f"{why}, {restarts} times (out of memory?)"
                storage.set_trial_user_attr(trial._trial_id, "reason", reason)
                storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
                return False
        storage.set_trial_user_attr(trial._trial_id, "owner", None)  # whoever takes it next may be about to sign
        storage.set_trial_state_values(trial._trial_id, TrialState.WAITING)
        return True
    return False
