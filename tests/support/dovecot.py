"""A real IMAP server (Dovecot 2.3) as an ordinary process, with its own configuration and mailboxes in a folder of its own."""

from __future__ import annotations

import contextlib
import getpass
import grp
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from imapclient import IMAPClient

from tests.support.authority import Authority
from tests.support.waiting import eventually

PASSWORD = "open sesame"
USERS = 500
LOOPBACK = "127.0.0.1"
_ROOTS_USER = "dovecot"
"""Who runs it when we are root: Dovecot gives no mail to root. Debian's package makes this user."""


class Dovecot:
    """Every user has the same password. `stop` and `start` keep the mailboxes."""

    def __init__(self, *settings: str, oauth: str = "", authority: Authority | None = None) -> None:
        """`settings`: lines for the configuration. `oauth`: where to ask about access tokens. `authority`: whose certificate to show."""
        self.folder = Path(tempfile.mkdtemp(prefix="dovecot-"))
        self.folder.chmod(0o755)
        self.authority = authority or Authority(self.folder)
        # Readable for who runs it.
        self._files = [
            self.folder / shutil.copy(file, self.folder / f"own-{file.name}").name
            for file in (self.authority.file, self.authority.certificate, self.authority.key)
        ]
        self._user = pwd.getpwnam(_ROOTS_USER if os.geteuid() == 0 else getpass.getuser())
        self._group = grp.getgrgid(self._user.pw_gid).gr_name
        self._settings = settings
        self._oauth = oauth
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self.port, self.tls_port = _free_ports(2)
        self.start()

    def __enter__(self) -> Dovecot:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def start(self) -> None:
        """Start it, and wait until it listens."""
        users = (f"{_user(number)}:{{PLAIN}}{PASSWORD}\n" for number in range(1, USERS + 1))
        (self.folder / "users").write_text("".join(users))
        (self.folder / "oauth.conf").write_text(self._introspection())
        (self.folder / "dovecot.conf").write_text(self._configuration())
        program = shutil.which("dovecot", path=os.environ["PATH"] + os.pathsep + "/usr/sbin")
        assert program is not None, "Dovecot is missing (tests/debian-packages.txt)"
        command = [program, "-F", "-c", str(self.folder / "dovecot.conf")]
        if os.geteuid() == 0:
            for path in (self.folder, *self.folder.iterdir()):
                os.chown(path, self._user.pw_uid, self._user.pw_gid)
            identity: dict[str, Any] = {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}
        else:
            identity = {}
        self._process = process = subprocess.Popen(command, start_new_session=True, **identity)
        eventually(lambda: self._listens() or process.poll() is not None, every=0.01)
        assert self._listens(), "Dovecot does not start; see what it wrote"

    def stop(self) -> None:
        """End it at once, and every connection with it."""
        if self._process is not None:
            # The processes that serve the connections are of its group; by itself it would leave them some seconds.
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(20)
            self._process = None

    def a_user(self) -> str:
        """A user with an empty mailbox."""
        return _user(next(self._numbers))

    @contextlib.contextmanager
    def colleague(self, user: str, folder: str = "INBOX") -> Iterator[IMAPClient]:
        """Somebody else who works in the user's mailbox, with `folder` open."""
        client = IMAPClient(LOOPBACK, self.port, ssl=False, timeout=20)
        try:
            client.plain_login(user, PASSWORD)
            client.select_folder(folder)
            yield client
        finally:
            client.shutdown()

    def mail_files(self, user: str) -> list[Path]:
        """The files in which the server keeps the mails of the user's inbox."""
        return [path for name in ("new", "cur") for path in (self.folder / "mail" / user / name).iterdir()]

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, self.port)):
            return True
        return False

    def _configuration(self) -> str:
        user, folder = self._user.pw_name, self.folder
        oauth = f"passdb {{\n driver = oauth2\n mechanisms = xoauth2\n args = {folder}/oauth.conf\n}}" if self._oauth else ""
        _, certificate, key = self._files
        return f"""
base_dir = {folder}/base
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap
listen = {LOOPBACK}
default_internal_user = {user}
default_internal_group = {self._group}
default_login_user = {user}
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:{folder}/mail/%u
mail_fsync = never
mailbox_idle_check_interval = 1s
mail_max_userip_connections = 1000
disable_plaintext_auth = no
auth_failure_delay = 0
auth_mechanisms = plain{" xoauth2" if self._oauth else ""}
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
service anvil {{
  chroot =
  # Without it, who gives a wrong password waits, longer each time.
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {self.port}
  }}
  inet_listener imaps {{
    port = {self.tls_port}
  }}
}}
{oauth}
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
userdb {{
  driver = static
  args = uid={self._user.pw_uid} gid={self._user.pw_gid} home={folder}/mail/%u
}}
{chr(10).join(self._settings)}
"""

    def _introspection(self) -> str:
        return f"""
introspection_url = {self._oauth}
introspection_mode = auth
username_attribute = username
active_attribute = active
active_value = true
tls_ca_cert_file = {self._files[0]}
"""


def _user(number: int) -> str:
    return f"user{number}@housing.example"


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server((LOOPBACK, 0))) for _ in range(count)]
        return [int(listener.getsockname()[1]) for listener in listeners]


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    """A server for the whole session; every test takes users of its own."""
    with Dovecot() as server:
        yield server
