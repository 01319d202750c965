"""Twilio's Messages API on a local port, as its documentation has it: HTTPS, basic login, forms in and JSON out, signed reports."""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
from pathlib import Path
from urllib.parse import parse_qsl

from tests.support.authority import Authority
from tests.support.graph_https import Answer, Listener

ACCOUNT = "AC" + "0123456789abcdef" * 2
TOKEN = "the-auth-token-of-the-account"
OURS = "+441632960000"


def refused(status: int, code: int, message: str, headers: dict[str, str] | None = None) -> Answer:
    """An error as Twilio words it."""
    more = f"https://www.twilio.com/docs/errors/{code}"
    answer = Answer.json({"code": code, "message": message, "more_info": more, "status": status}, status)
    answer.headers = headers or {}
    return answer


def signature(url: str, form: dict[str, str], token: str = TOKEN) -> str:
    """`X-Twilio-Signature` of a request to `url` with these fields."""
    content = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(token.encode(), content.encode(), hashlib.sha1).digest()).decode()


class TwilioServer:
    """Takes messages, unless `answers` says otherwise: those are given first, one for each message."""

    def __init__(self, folder: Path) -> None:
        self.taken: list[dict[str, str]] = []
        """The form of each message that was taken, with the `sid` that it got."""
        self.asked = 0
        self.token = TOKEN
        self.answers: list[Answer] = []
        self._lock = threading.Lock()
        authority = Authority(folder)
        self.ca_file = authority.file
        self._server = Listener(self._answer, authority.context)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name="twilio")

    def __enter__(self) -> TwilioServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        self._thread.join()

    @property
    def endpoint(self) -> str:
        """Where it is."""
        return f"https://127.0.0.1:{self._server.server_address[1]}"

    @property
    def numbers(self) -> list[str]:
        """Whom the messages that were taken are for."""
        return [form["To"] for form in self.taken]

    def _answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        with self._lock:
            self.asked += 1
            login = base64.b64encode(f"{ACCOUNT}:{self.token}".encode()).decode()
            if headers.get("authorization") != f"Basic {login}":
                return refused(401, 20003, "Authenticate")
            if (method, target) != ("POST", f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"):
                return refused(404, 20404, f"The requested resource {target} was not found")
            if self.answers:
                return self.answers.pop(0)
            form = dict(parse_qsl(body.decode(), keep_blank_values=True))
            if not form.get("Body"):
                return refused(400, 21602, "Message body is required.")
            if len(form["Body"]) > 1600:
                return refused(400, 21617, "The concatenated message body exceeds the 1600 character limit")
            if not form.get("To", "").startswith("+"):
                return refused(400, 21211, f"The 'To' number {form.get('To')} is not a valid phone number.")
            sid = f"SM{len(self.taken):032x}"
            self.taken.append({**form, "sid": sid})
            return Answer.json(
                {"sid": sid, "account_sid": ACCOUNT, "to": form["To"], "status": "queued", "error_code": None, "num_segments": "1"}, 201
            )
