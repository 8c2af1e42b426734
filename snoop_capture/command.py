# SPDX-License-Identifier: Apache-2.0
"""The command of ``snoop-capture run``: a child that waits until recording has begun."""

import contextlib
import os
import pwd
import select
import shutil
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, NoReturn, Self

from snoop_capture.errors import CaptureError

NOT_FOUND: Final = 127
NOT_EXECUTABLE: Final = 126

# Signals that somebody sends to the recorder and means for the command.
_FORWARDED: Final = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
    signal.SIGCONT,
)


class CommandError(CaptureError):
    """The command cannot be started; ``code`` is the exit code that a shell gives for it."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Command:
    """A command, forked but held back before its exec until ``go``.

    It has the recorder's standard streams, environment and working directory, and under sudo
    the identity of the user who called that.

    Raises:
        CommandError: there is no such command, or it is not executable.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        program = _find(arguments[0])
        environment, identity = _invoking_user()
        hold, release = os.pipe()
        failure, report = os.pipe()
        signal.pthread_sigmask(signal.SIG_BLOCK, _FORWARDED)
        self.pid = os.fork()
        if self.pid == 0:
            os.close(release)
            os.close(failure)
            _become(hold, report, program, arguments, environment, identity)
        os.close(hold)
        os.close(report)
        self._program = program
        self._release = release
        self._failure = failure
        self._held = True
        try:
            self.pidfd = os.pidfd_open(self.pid)
        except OSError:
            self._let_go()
            raise

    def go(self) -> None:
        """Let the command begin.

        Raises:
            CommandError: the kernel refuses to execute it.
        """
        threading.Thread(target=self._forward_signals, daemon=True).start()
        self._held = False
        with contextlib.suppress(BrokenPipeError):  # a signal ended it while it was held back
            os.write(self._release, b"!")
        os.close(self._release)
        with os.fdopen(self._failure, "rb") as failure:
            number = failure.read()
        if number:
            reason = os.strerror(int(number))
            raise CommandError(f"cannot execute {self._program}: {reason}", NOT_EXECUTABLE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the command if it never began, so that nothing of it stays behind."""
        if self._held:
            self._let_go()
        os.close(self.pidfd)

    def _let_go(self) -> None:
        """Have the command end that is held back."""
        os.close(self._release)
        os.close(self._failure)
        os.waitpid(self.pid, 0)

    def wait(self) -> int:
        """Wait for the end of the command.

        Returns:
            its exit code; 128 + the signal's number where one killed it, as shells have it.
        """
        _, status = os.waitpid(self.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else 128 - code

    def _forward_signals(self) -> None:
        while True:
            info = signal.sigwaitinfo(_FORWARDED)
            if info.si_code > 0 and info.si_signo != signal.SIGCONT:
                continue  # from the terminal: the whole foreground group has had it
            try:
                signal.pidfd_send_signal(self.pidfd, info.si_signo)
            except ProcessLookupError:
                return


def _find(name: str) -> str:
    found = shutil.which(name)
    if found is not None:
        return found
    if "/" in name and Path(name).is_dir():
        raise CommandError(f"cannot execute {name}: it is a directory", NOT_EXECUTABLE)
    if "/" in name and Path(name).exists():
        raise CommandError(
            f"cannot execute {name}: it is not executable (chmod +x?)", NOT_EXECUTABLE
        )
    raise CommandError("command not found: " + (name or "''"), NOT_FOUND)


def _invoking_user() -> tuple[dict[str, str], tuple[int, int, list[int]] | None]:
    """Environment and identity (uid, gid, groups) of the command; no identity: as we are."""
    environment = dict(os.environ)
    uid, gid = environment.get("SUDO_UID"), environment.get("SUDO_GID")
    if os.geteuid() != 0 or uid is None or gid is None or uid == "0":
        return environment, None
    groups = [int(gid)]
    try:
        user = pwd.getpwuid(int(uid))
    except KeyError:
        return environment, (int(uid), int(gid), groups)
    environment |= {"HOME": user.pw_dir, "USER": user.pw_name, "LOGNAME": user.pw_name}
    return environment, (int(uid), int(gid), os.getgrouplist(user.pw_name, int(gid)))


def _become(
    hold: int,
    report: int,
    program: str,
    arguments: Sequence[str],
    environment: dict[str, str],
    identity: tuple[int, int, list[int]] | None,
) -> NoReturn:
    try:
        # Python ignores or handles these; the command must find them as a shell would leave them,
        # and a signal must end it while it is held back.
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _FORWARDED)
        if identity is not None:
            uid, gid, groups = identity
            os.setgroups(groups)
            os.setgid(gid)
            os.setuid(uid)
        if not os.read(hold, 1):
            os._exit(0)  # cancelled, or the recorder is gone
        os.execve(program, list(arguments), environment)
    except OSError as error:
        os.write(report, str(error.errno).encode())
    finally:
        os._exit(NOT_EXECUTABLE)


def wait_for(command: Command, descriptor: int, seconds: float) -> tuple[bool, bool]:
    """Wait until the command ends, ``descriptor`` is readable, or the time is up.

    Returns:
        whether the command has ended, and whether the descriptor is readable.
    """
    ready, _, _ = select.select([command.pidfd, descriptor], [], [], seconds)
    return command.pidfd in ready, descriptor in ready
