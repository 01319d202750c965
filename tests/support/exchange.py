"""A server of Exchange web services for one mailbox: HTTPS, SOAP 1.1, what the operations answer as Microsoft documents it.

It speaks as much as a client needs that reads a folder: SyncFolderItems, GetItem, GetAttachment, MoveItem, UpdateItem, GetFolder,
FindFolder, CreateFolder; and logins by Basic, NTLM (the passwords are verified, by pyspnego's own acceptor) and OAuth 2 (with the issuer of
tokens at `/token`). Its switches make it fail.
"""

from __future__ import annotations

import base64
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import lxml.etree

from tests.support.authority import Authority
from tests.support.exchange_http import Answer, Server, handler

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
T = "http://schemas.microsoft.com/exchange/services/2006/types"
M = "http://schemas.microsoft.com/exchange/services/2006/messages"
E = "http://schemas.microsoft.com/exchange/services/2006/errors"
NS = {"s": SOAP, "t": T, "m": M}


@dataclass
class StoredItem:
    """An item of the mailbox. `code`: the ResponseCode with which its MIME is refused; `hidden`: with which all else is."""

    id: str
    folder: str
    mime: bytes
    created: int
    size: int
    received: datetime
    kind: str = "Message"
    is_read: bool = False
    read_at: int = 0
    left_at: int = 0
    code: str = ""
    hidden: str = ""
    properties: str = ""
    files: dict[str, str] = field(default_factory=dict)
    """By id, each attachment as GetAttachment gives it; or a ResponseCode."""


class ExchangeServer:
    """The server, on a port of its own. `address`: of its mailbox."""

    def __init__(self, folder: Path, address: str = "contact@housing.example") -> None:
        self.address = address
        self.users = {"HOUSING\\reader": "secret"}
        self.logins = {"Basic"}
        self.impersonators: set[str] = set()
        self.tokens: set[str] = set()
        self.token_seconds = 3600
        self.clients = {"app": "app-secret"}
        self.token_answers: deque[Answer] = deque()
        self.answers: deque[Answer] = deque()
        """What the next requests get, whatever they ask."""
        self.login_offers: deque[dict[str, str]] = deque()
        """Header of the next answers, which are all 401."""
        self.spoil: Callable[[Answer], Answer] = lambda answer: answer
        """What becomes of an answer on its way."""
        self.codes: dict[str, str] = {}
        """By operation, the ResponseCode with which it is refused."""
        self.operations: list[str] = []
        self.requests: list[Any] = []
        self.given: list[bytes] = []
        self.open_connections = 0
        self.folders = {"root": ("", "Top of Information Store"), "in": ("root", "Inbox")}
        self.items: dict[str, StoredItem] = {}
        self.on_get: Callable[[], None] = lambda: None
        self.epoch = 1
        self.subscriptions: dict[str, str] = {}
        """Folder of each streaming subscription."""
        self.streams_end = threading.Event()
        """Set: every stream ends with its next word."""
        self._now = 0
        self._stopped = threading.Event()
        self._lock = threading.RLock()
        authority = Authority(folder)
        self.ca_file = str(authority.file)
        self._http = Server(("127.0.0.1", 0), handler(self))
        self._http.socket = authority.context.wrap_socket(self._http.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def base(self) -> str:
        """Its address, without a path."""
        return f"https://127.0.0.1:{self._http.server_address[1]}"

    @property
    def url(self) -> str:
        """Of the service."""
        return f"{self.base}/EWS/Exchange.asmx"

    def close(self) -> None:
        """Stop, and close every connection."""
        self._stopped.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def deliver(self, mime: bytes, folder: str = "in", **changes: Any) -> StoredItem:
        """A mail comes."""
        with self._lock:
            self._now += 1
            received = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=self._now)
            values: dict[str, Any] = {"size": len(mime), "received": received, **changes}
            item = StoredItem(base64.b64encode(b"item %d" % self._now).decode(), folder, mime, self._now, **values)
            self.items[item.id] = item
            return item

    def remove(self, item: StoredItem) -> None:
        """An item is deleted by somebody."""
        with self._lock:
            self._now += 1
            item.left_at = self._now

    def in_folder(self, folder: str) -> list[bytes]:
        """The mails of a folder, in the order in which they came there."""
        with self._lock:
            return [item.mime for item in self.items.values() if item.folder == folder and not item.left_at]

    def folder_named(self, name: str) -> str:
        """The id of a folder."""
        return next(id for id, (_, given) in self.folders.items() if given == name)

    def recorded(self, work: Callable[[], object]) -> list[bytes]:
        """The answers that are given while `work` runs."""
        self.given.clear()
        work()
        return list(self.given)

    def await_stop(self) -> None:
        """Wait until the server is closed."""
        self._stopped.wait()

    # What the operations do.

    def answer(self, user: str, envelope: Any) -> Answer:
        """What is answered to a SOAP request of `user`."""
        events = envelope.find("s:Body/m:GetStreamingEvents", NS)
        if events is not None and "GetStreamingEvents" not in self.codes:
            folder = self.subscriptions[events.findtext(".//t:SubscriptionId", namespaces=NS)]
            stream = self._notifications(folder, set(self.items))
            self.operations.append("GetStreamingEvents")
            return Answer(headers={"Content-Type": "text/xml; charset=utf-8"}, stream=stream)
        status, body = self._answer(user, envelope)
        return _soap(status, body)

    def _answer(self, user: str, envelope: Any) -> tuple[int, str]:
        request = envelope.find("s:Body", NS)[0]
        operation = lxml.etree.QName(request).localname
        with self._lock:
            self.operations.append(operation)
            self.requests.append(envelope)
            acting = envelope.find(".//t:ExchangeImpersonation//t:PrimarySmtpAddress", NS)
            if acting is not None and user not in self.impersonators:
                return 500, fault("ErrorImpersonateUserDenied", "The account does not have permission to impersonate the requested user.")
            for mailbox in request.iterfind(".//t:DistinguishedFolderId/t:Mailbox/t:EmailAddress", NS):
                if mailbox.text != self.address:
                    code = "ErrorNonExistentMailbox"
                    return 200, _response(operation, [_error(operation, code)])
            if code := self.codes.get(operation):
                extra = (
                    "<m:SyncState/><m:IncludesLastItemInRange>true</m:IncludesLastItemInRange>" if operation == "SyncFolderItems" else ""
                )
                return 200, _response(operation, [_error(operation, code, extra)])
            messages: list[str] = getattr(self, f"_{operation}")(request)
        return 200, _response(operation, messages)

    def _SyncFolderItems(self, request: Any) -> list[str]:
        folder = self._folder(request.find("m:SyncFolderId", NS)[0])
        most = int(request.findtext("m:MaxChangesReturned", namespaces=NS))
        given = request.findtext("m:SyncState", namespaces=NS)
        since = 0
        if given:
            try:
                epoch, _, seen = base64.b64decode(given, validate=True).decode().split()
                # Nobody promises that Exchange notices a state of another folder.
                since, is_known = int(seen), int(epoch) == self.epoch
            except ValueError:
                is_known = False
            if not is_known:
                extra = "<m:SyncState/><m:IncludesLastItemInRange>true</m:IncludesLastItemInRange>"
                return [_error("SyncFolderItems", "ErrorInvalidSyncStateData", extra)]
        changes: list[tuple[int, str]] = []
        for item in self.items.values():
            if item.folder != folder:
                continue
            id = f'<t:ItemId Id="{item.id}" ChangeKey="CQ=="/>'
            if item.created > since and not item.left_at:
                seen_as = f"<t:Size>{item.size}</t:Size><t:DateTimeReceived>{item.received:%Y-%m-%dT%H:%M:%SZ}</t:DateTimeReceived>"
                changes.append((item.created, f"<t:Create><t:{item.kind}>{id}{seen_as}</t:{item.kind}></t:Create>"))
            elif item.created <= since < item.left_at:
                changes.append((item.left_at, f"<t:Delete>{id}</t:Delete>"))
            elif item.created <= since < item.read_at:
                read = "true" if item.is_read else "false"
                changes.append((item.read_at, f"<t:ReadFlagChange>{id}<t:IsRead>{read}</t:IsRead></t:ReadFlagChange>"))
        changes.sort()
        is_last = len(changes) <= most
        seen_now = self._now if is_last else changes[most - 1][0]
        state = base64.b64encode(f"{self.epoch} {folder} {seen_now}".encode()).decode()
        return [
            _success(
                "SyncFolderItems",
                f"<m:SyncState>{state}</m:SyncState><m:IncludesLastItemInRange>{'true' if is_last else 'false'}</m:IncludesLastItemInRange>"
                f"<m:Changes>{''.join(change for _, change in changes[:most])}</m:Changes>",
            )
        ]

    def _Subscribe(self, request: Any) -> list[str]:
        folder = self._folder(request.find("m:StreamingSubscriptionRequest/t:FolderIds", NS)[0])
        if folder not in self.folders:
            return [_error("Subscribe", "ErrorFolderNotFound")]
        id = f"JwBkYi{len(self.subscriptions)}="
        self.subscriptions[id] = folder
        return [_success("Subscribe", f"<m:SubscriptionId>{id}</m:SubscriptionId>")]

    def _notifications(self, folder: str, seen: set[str]) -> Iterator[bytes]:
        """What a stream gives: that it is there, a notification for each item besides those `seen`, and that it is over."""
        yield _event("<m:ConnectionStatus>OK</m:ConnectionStatus>")
        while not self._stopped.is_set() and not self.streams_end.wait(0.01):
            with self._lock:
                new = [item for item in self.items.values() if item.folder == folder and item.id not in seen]
            for item in new:
                seen.add(item.id)
                what = f'<t:TimeStamp>2026-03-02T09:00:00Z</t:TimeStamp><t:ItemId Id="{item.id}" ChangeKey="CQ=="/>'
                mail = f'<t:NewMailEvent>{what}<t:ParentFolderId Id="{folder}" ChangeKey="AQ=="/></t:NewMailEvent>'
                known = "<t:SubscriptionId>JwBkYi0=</t:SubscriptionId>"
                yield _event(f"<m:Notifications><m:Notification>{known}{mail}</m:Notification></m:Notifications>")
        yield _event("<m:ConnectionStatus>Closed</m:ConnectionStatus>")

    def _GetItem(self, request: Any) -> list[str]:
        self.on_get()
        wanted = {one.get("FieldURI") for one in request.iterfind(".//t:FieldURI", NS)}
        messages = []
        for id in request.iterfind(".//t:ItemId", NS):
            item = self.items.get(id.get("Id"))
            is_mime = "item:MimeContent" in wanted
            if item is None or item.left_at:
                messages.append(_error("GetItem", "ErrorItemNotFound", "<m:Items/>"))
            elif code := item.code if is_mime else item.hidden:
                messages.append(_error("GetItem", code, "<m:Items/>"))
            else:
                mime = f'<t:MimeContent CharacterSet="UTF-8">{base64.b64encode(item.mime).decode()}</t:MimeContent>' if is_mime else ""
                content = f'{mime}<t:ItemId Id="{item.id}" ChangeKey="CQ=="/>{"" if is_mime else item.properties}'
                messages.append(_success("GetItem", f"<m:Items><t:{item.kind}>{content}</t:{item.kind}></m:Items>"))
        return messages

    def _GetAttachment(self, request: Any) -> list[str]:
        id = request.find(".//t:AttachmentId", NS).get("Id")
        found = next((item.files[id] for item in self.items.values() if id in item.files), "ErrorInvalidAttachmentId")
        if not found.startswith("<"):
            return [_error("GetAttachment", found)]
        return [_success("GetAttachment", f"<m:Attachments>{found}</m:Attachments>")]

    def _MoveItem(self, request: Any) -> list[str]:
        target = self._folder(request.find("m:ToFolderId", NS)[0])
        messages = []
        for id in request.iterfind(".//t:ItemId", NS):
            item = self.items.get(id.get("Id"))
            if item is None or item.left_at:
                messages.append(_error("MoveItem", "ErrorItemNotFound", "<m:Items/>"))
            elif target not in self.folders:
                messages.append(_error("MoveItem", "ErrorToFolderNotFound", "<m:Items/>"))
            elif item.hidden:
                messages.append(_error("MoveItem", item.hidden, "<m:Items/>"))
            else:
                self.remove(item)
                new = self.deliver(item.mime, target)
                content = f'<t:Message><t:ItemId Id="{new.id}" ChangeKey="CQ=="/></t:Message>'
                messages.append(_success("MoveItem", f"<m:Items>{content}</m:Items>"))
        return messages

    def _UpdateItem(self, request: Any) -> list[str]:
        messages = []
        for change in request.iterfind(".//t:ItemChange", NS):
            item = self.items.get(change.find("t:ItemId", NS).get("Id"))
            if item is None or item.left_at:
                messages.append(_error("UpdateItem", "ErrorItemNotFound", "<m:Items/>"))
                continue
            if item.hidden:
                messages.append(_error("UpdateItem", item.hidden, "<m:Items/>"))
                continue
            value = change.findtext(".//t:Message/t:IsRead", namespaces=NS)
            if (value in ("true", "1")) != item.is_read:
                self._now += 1
                item.is_read, item.read_at = not item.is_read, self._now
            content = f'<t:Message><t:ItemId Id="{item.id}" ChangeKey="CQ=="/></t:Message>'
            messages.append(_success("UpdateItem", f"<m:Items>{content}</m:Items>"))
        return messages

    def _GetFolder(self, request: Any) -> list[str]:
        id = self._folder(request.find("m:FolderIds", NS)[0])
        if id not in self.folders:
            return [_error("GetFolder", "ErrorFolderNotFound")]
        return [_success("GetFolder", f"<m:Folders>{self._folder_xml(id)}</m:Folders>")]

    def _FindFolder(self, request: Any) -> list[str]:
        parent = self._folder(request.find("m:ParentFolderIds", NS)[0])
        if parent not in self.folders:
            return [_error("FindFolder", "ErrorFolderNotFound")]
        view = request.find("m:IndexedPageFolderView", NS)
        first, most = int(view.get("Offset")), int(view.get("MaxEntriesReturned"))
        children = [id for id, (of, _) in self.folders.items() if of == parent]
        page = "".join(map(self._folder_xml, children[first : first + most]))
        rest = "false" if len(children) > first + most else "true"
        return [
            _success(
                "FindFolder",
                f'<m:RootFolder IndexedPagingOffset="{min(len(children), first + most)}" TotalItemsInView="{len(children)}"'
                f' IncludesLastItemInRange="{rest}"><t:Folders>{page}</t:Folders></m:RootFolder>',
            )
        ]

    def _CreateFolder(self, request: Any) -> list[str]:
        parent = self._folder(request.find("m:ParentFolderId", NS)[0])
        name = request.findtext(".//t:DisplayName", namespaces=NS)
        if any(of == parent and given.casefold() == name.casefold() for of, given in self.folders.values()):
            return [_error("CreateFolder", "ErrorFolderExists")]
        id = f"folder{len(self.folders)}"
        self.folders[id] = (parent, name)
        return [_success("CreateFolder", f'<m:Folders><t:Folder><t:FolderId Id="{id}" ChangeKey="AQ=="/></t:Folder></m:Folders>')]

    def _folder(self, id: Any) -> str:
        known = {"inbox": "in", "msgfolderroot": "root"}
        return known[id.get("Id")] if lxml.etree.QName(id).localname == "DistinguishedFolderId" else str(id.get("Id"))

    def _folder_xml(self, id: str) -> str:
        name = escape(self.folders[id][1])
        return (
            f'<t:Folder><t:FolderId Id="{id}" ChangeKey="AQ=="/><t:FolderClass>IPF.Note</t:FolderClass>'
            f"<t:DisplayName>{name}</t:DisplayName></t:Folder>"
        )


def envelope(body: str) -> bytes:
    """A SOAP answer."""
    numbers = 'MajorVersion="15" MinorVersion="2" MajorBuildNumber="1118" MinorBuildNumber="7" Version="V2017_07_11"'
    version = f'<h:ServerVersionInfo {numbers} xmlns:h="{T}"/>'
    text = f'<s:Envelope xmlns:s="{SOAP}" xmlns:m="{M}" xmlns:t="{T}"><s:Header>{version}</s:Header><s:Body>{body}</s:Body></s:Envelope>'
    return f'<?xml version="1.0" encoding="utf-8"?>{text}'.encode()


def fault(code: str, text: str, more: str = "") -> str:
    """A SOAP fault as Exchange has it. `more`: XML that goes with it."""
    detail = f'<e:ResponseCode xmlns:e="{E}">{code}</e:ResponseCode><e:Message xmlns:e="{E}">{text}</e:Message>{more}'
    return f'<s:Fault><faultcode xmlns:a="{T}">a:{code}</faultcode><faultstring>{text}</faultstring><detail>{detail}</detail></s:Fault>'


def busy(milliseconds: int) -> Answer:
    """How Exchange says that a client asks too often."""
    more = f'<t:MessageXml><t:Value Name="BackOffMilliseconds">{milliseconds}</t:Value></t:MessageXml>'
    text = "The server cannot service this request right now. Try again later."
    return _soap(500, fault("ErrorServerBusy", text, more))


def _soap(status: int, body: str) -> Answer:
    return Answer(status, envelope(body), {"Content-Type": "text/xml; charset=utf-8"})


def _response(operation: str, messages: list[str]) -> str:
    return f"<m:{operation}Response><m:ResponseMessages>{''.join(messages)}</m:ResponseMessages></m:{operation}Response>"


def _success(operation: str, content: str) -> str:
    inner = f"<m:ResponseCode>NoError</m:ResponseCode>{content}"
    return f'<m:{operation}ResponseMessage ResponseClass="Success">{inner}</m:{operation}ResponseMessage>'


def _event(content: str) -> bytes:
    return envelope(_response("GetStreamingEvents", [_success("GetStreamingEvents", content)]))


def _error(operation: str, code: str, extra: str = "") -> str:
    inner = (
        f"<m:MessageText>No.</m:MessageText><m:ResponseCode>{code}</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>{extra}"
    )
    return f'<m:{operation}ResponseMessage ResponseClass="Error">{inner}</m:{operation}ResponseMessage>'
