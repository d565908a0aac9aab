"""OpenSSH's sftp and sftp-server, joined by pipes: the real protocol and the real writer, without a login."""

from __future__ import annotations

import subprocess

from tests.support.peers import require_program


def sftp(batch: str, limit_kilobits: int | None = None) -> subprocess.Popen[bytes]:
    """Begins to carry out the commands of `batch`, at no more than so many kbit/s; ends 0 if all went well."""
    command = [require_program("sftp"), "-D", require_program("sftp-server"), "-b", "-"]
    if limit_kilobits is not None:
        command += ["-l", str(limit_kilobits)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert process.stdin is not None
    process.stdin.write(f"{batch}\n".encode())
    process.stdin.close()
    return process
