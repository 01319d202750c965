"""A real mail server (Postfix 3.7) on ports of its own, with its queue, its log and the mailboxes it fills in a folder of its own.

Its processes change to Debian's user `postfix`, so it runs only where we are root, as CI does.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import socketserver
import subprocess
import tempfile
import threading
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from tests.support.authority import Authority
from tests.support.waiting import eventually

LOOPBACK = "127.0.0.1"
DOMAINS = "mail.example housing.example"
NOBODY = "nobody-here@mail.example"
"""The one recipient that it refuses."""
_PROGRAMS = Path("/usr/lib/postfix/sbin")
_SERVICES = """
{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""


class Greylist:
    """Postfix's policy server: whoever it has not seen writing to a recipient before is to come again."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, str]] = set()
        self.deferred: list[str] = []
        greylist = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                attributes: dict[str, str] = {}
                for line in self.rfile:
                    name, _, value = line.decode().rstrip("\n").partition("=")
                    if name:
                        attributes[name] = value
                        continue
                    self.wfile.write(f"action={greylist.judge(attributes)}\n\n".encode())
                    attributes = {}

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

        self._server = Server((LOOPBACK, 0), Handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name="greylist", daemon=True)
        self._thread.start()

    def judge(self, attributes: dict[str, str]) -> str:
        """What is to happen with this recipient."""
        pair = attributes.get("sender", ""), attributes.get("recipient", "")
        if pair in self.seen or not pair[1].startswith("grey"):
            return "DUNNO"
        self.seen.add(pair)
        self.deferred.append(pair[1])
        return "450 4.7.1 Greylisted, please come again"

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


class Postfix:
    """Takes mail for two domains over TLS only, and puts it into one mailbox."""

    def __init__(self) -> None:
        assert (_PROGRAMS / "master").exists(), "Postfix is missing (tests/debian-packages.txt)"
        assert os.geteuid() == 0, "Postfix runs only as root"
        self.folder = Path(tempfile.mkdtemp(prefix="postfix-"))
        self.folder.chmod(0o755)
        self.authority = Authority(self.folder)
        self.greylist = Greylist()
        with socket.create_server((LOOPBACK, 0)) as listener:
            self.port = int(listener.getsockname()[1])
        self._write()
        self._process = subprocess.Popen(
            ["/usr/sbin/postfix", "-c", str(self.folder / "etc"), "start-fg"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )

    def __enter__(self) -> Postfix:
        try:
            eventually(lambda: self._listens() or self._process.poll() is not None, 20, 0.02)
            assert self._listens(), f"Postfix does not start: {self.log()}"
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
            os.kill(int((self.folder / "queue" / "pid" / "master.pid").read_text()), signal.SIGTERM)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
        assert self._process.stderr is not None
        self._process.stderr.close()
        self.greylist.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def mails(self) -> list[EmailMessage]:
        """What it has delivered."""
        found = []
        for path in (self.folder / "mail" / "all" / "new").glob("*"):
            message = message_from_bytes(path.read_bytes(), policy=policy.default)
            assert isinstance(message, EmailMessage)
            found.append(message)
        return found

    def log(self) -> str:
        """What it wrote."""
        file = self.folder / "log"
        return file.read_text() if file.exists() else "nothing written"

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, self.port)):
            return True
        return False

    def _write(self) -> None:
        folder, user = self.folder, pwd.getpwnam("postfix")
        for name, owner in (("etc", 0), ("queue", 0), ("data", user.pw_uid), ("mail", user.pw_uid)):
            (folder / name).mkdir(mode=0o755)
            os.chown(folder / name, owner, user.pw_gid if owner else 0)
        (folder / "etc" / "recipients").write_text(f"{NOBODY} 550 5.1.1 No such user here\n")
        (folder / "etc" / "master.cf").write_text(_SERVICES.format(port=f"{LOOPBACK}:{self.port}"))
        settings: dict[str, Any] = {
            "compatibility_level": "3.6",
            "queue_directory": folder / "queue",
            "data_directory": folder / "data",
            "daemon_directory": _PROGRAMS,
            "command_directory": "/usr/sbin",
            "maillog_file": folder / "log",
            "maillog_file_prefixes": folder,
            "myhostname": "relay.housing.example",
            "inet_interfaces": LOOPBACK,
            "inet_protocols": "ipv4",
            "mynetworks": "",
            "mydestination": "",
            "alias_maps": "",
            "virtual_mailbox_domains": DOMAINS,
            "virtual_mailbox_base": folder / "mail",
            "virtual_mailbox_maps": "static:all/",
            "virtual_minimum_uid": 1,
            "virtual_uid_maps": f"static:{user.pw_uid}",
            "virtual_gid_maps": f"static:{user.pw_gid}",
            "smtpd_relay_restrictions": "permit_auth_destination, reject",
            "smtpd_recipient_restrictions": (
                f"check_recipient_access texthash:{folder}/etc/recipients, check_policy_service inet:{LOOPBACK}:{self.greylist.port}"
            ),
            "smtpd_tls_security_level": "encrypt",
            "smtpd_tls_cert_file": self.authority.certificate,
            "smtpd_tls_received_header": "yes",
            "smtpd_tls_key_file": self.authority.key,
            "smtpd_client_connection_rate_limit": 0,
            "smtputf8_enable": "yes",
        }
        (folder / "etc" / "main.cf").write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))
