"""What is asked of Exchange web services: what is new, the mails, to move them or mark them.

exchangelib's services are used one request at a time. Its folders would read on until all is read, and look for well-known folders from
the mailbox's root, which a delegate for one folder may not see.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import lxml.etree
from exchangelib import SHALLOW, Folder, FolderCollection, Message, errors  # type: ignore[import-untyped]
from exchangelib.fields import FieldPath  # type: ignore[import-untyped]
from exchangelib.folders import Inbox, MsgFolderRoot, Root  # type: ignore[import-untyped]
from exchangelib.items import (  # type: ignore[import-untyped]
    ALWAYS_OVERWRITE,
    ID_ONLY,
    SAVE_ONLY,
    SEND_TO_NONE,
)
from exchangelib.properties import DistinguishedFolderId, ItemId, Mailbox  # type: ignore[import-untyped]
from exchangelib.services import (  # type: ignore[import-untyped]
    CreateFolder,
    GetAttachment,
    GetItem,
    MoveItem,
    SyncFolderItems,
    UpdateItem,
)
from exchangelib.services.sync_folder_hierarchy import SyncFolder  # type: ignore[import-untyped]
from exchangelib.util import DummyResponse  # type: ignore[import-untyped]

from services.ingest.gateways.exchange_connection import as_gateway_error, asking
from services.ingest.gateways.exchange_mail import File
from services.ingest.gateways.source import GatewayError
from shared.schemas.configuration.channels import ExchangeFetch

MOST_CHANGES = 512
"""That Exchange tells of at once."""
_REFERENCE = re.compile(rb"&#(?:[xX]([0-9a-fA-F]{1,8})|([0-9]{1,10}));")


@dataclass(frozen=True, slots=True)
class Page:
    """What one question for changes gave."""

    changes: list[Any]
    """Of each change the item that is new; None for any other kind of change."""
    state: str
    is_last: bool


class Broken(Exception):
    """Exchange cannot give an item, though it gives others. `is_gone`: because it is not there any more."""

    def __init__(self, error: Exception | None) -> None:
        super().__init__(type(error).__name__ if error else "no content")
        self.error = error
        self.is_gone = isinstance(error, errors.ErrorItemNotFound)


class ExchangeMailbox:
    """One folder, and where its mails go, by a connection that was made (`exchange_connection.connect`). All raise `GatewayError`."""

    def __init__(self, account: Any, section: ExchangeFetch) -> None:
        """Finds the folders; creates `moved_to` when it is missing."""
        self._account = account
        with asking():
            # Not exchangelib's own, which it would ask for.
            root = Root(account=account)
            if section.folder.lower() == "inbox":
                self.folder = Inbox(root=root, _distinguished_id=self._well_known("inbox"))
            else:
                self.folder = self._find(root, section.folder, create=False)
            self._target = None
            if section.moved_to is not None:
                self._target = self._find(root, section.moved_to, create=True)
                ours = _only(FolderCollection(account=account, folders=[self.folder]).get_folders(additional_fields=set()))
                if ours.id == self._target.id:
                    raise GatewayError("refused", "mails would be moved to the folder that they are in")

    def changes(self, state: str, most: int) -> Page | None:
        """What has changed since `state` (empty: since ever), at most so many changes; None when Exchange does not know the state."""
        service = _Sync(account=self._account)
        with asking():
            try:
                changes = list(service.call(self.folder, ID_ONLY, _CHANGE, state or None, None, min(most, MOST_CHANGES), None))
            except errors.ErrorInvalidSyncStateData:
                if not state:
                    raise
                return None
        if not service.sync_state:
            raise GatewayError("malformed", "Exchange gave no sync state")
        # The same state again, and more to come: it would come again for ever.
        return Page(changes, service.sync_state, service.includes_last_item_in_range or service.sync_state == state)

    def mimes(self, items: Sequence[Any]) -> list[bytes | Broken]:
        """Of each item its mail. Raises `TooMuch` where they are too long together."""
        results = self._get(_Mimes, items, _MIME)
        return [one if isinstance(one, Broken) else one.mime_content or Broken(None) for one in results]

    def properties(self, item: Any, with_content: bool) -> Any:
        """The item with its header, and its text and the names of its files if `with_content`; or a `Broken`."""
        return self._get(_Properties, [item], _CONTENT if with_content else _HEADER)[0]

    def file(self, attachment: Any) -> File | None:
        """A file of an item; None where Exchange cannot give it."""
        with asking():
            found = _only(_Attachments(account=self._account).call([attachment.attachment_id], True, None, None, _MIME))
            if isinstance(found, Exception):
                _check(found)
                return None
            content = found.item.mime_content if hasattr(found, "item") else found._content
            kind = "application/octet-stream" if hasattr(found, "item") else found.content_type or ""
            name = f"{attachment.name or 'mail'}.eml" if hasattr(found, "item") else attachment.name or ""
        if content is None and attachment.size != 0:
            return None
        return File(name, kind, content or b"", bool(attachment.is_inline), attachment.content_id or "")

    def put_away(self, marks: Iterable[str]) -> list[Broken]:
        """Move the items with these ids, or mark them as read: those with which it could not be done. Such as are gone do not count."""
        with asking():
            if self._target is not None:
                results = list(_Move(account=self._account).call([ItemId(mark) for mark in marks], self._target))
            else:
                read = [(Message(id=mark, is_read=True), ["is_read"]) for mark in marks]
                results = list(_Update(account=self._account).call(read, ALWAYS_OVERWRITE, SAVE_ONLY, SEND_TO_NONE, True))
            broken = [Broken(one) for one in results if isinstance(one, Exception)]
            for one in broken:
                if one.error is not None and not one.is_gone and not self._is_only_its_own(one.error):
                    raise as_gateway_error(one.error)
        return [one for one in broken if not one.is_gone]

    def _is_only_its_own(self, error: Exception) -> bool:
        if isinstance(error, _ABOUT_THE_ITEM):
            return True
        # Not every kind of item can be marked, and nothing depends on it.
        is_refused = as_gateway_error(error).reason in ("refused", "malformed")
        return self._target is None and is_refused and not isinstance(error, errors.ErrorAccessDenied)

    def _get(self, service: type[Any], items: Sequence[Any], fields: set[Any]) -> list[Any]:
        with asking():
            results = list(service(account=self._account).call([item.to_id() for item in items], fields, ID_ONLY))
        if len(results) != len(items):
            raise GatewayError("malformed", "Exchange gave another number of items than was asked for")
        found: list[Any] = []
        for result in results:
            if isinstance(result, Exception):
                _check(result)
            found.append(result if isinstance(result, Message) else Broken(result if isinstance(result, Exception) else None))
        return found

    def _find(self, root: Any, path: str, create: bool) -> Any:
        folder = MsgFolderRoot(root=root, _distinguished_id=self._well_known("msgfolderroot"))
        for name in path.strip("/").split("/"):
            child = self._child(folder, name)
            if child is None and create:
                new = Folder(root=root, name=name, folder_class="IPF.Note")
                # That it exists means that another process has been faster.
                result = _only(CreateFolder(account=self._account).call(folder, [new]))
                if isinstance(result, Exception) and not isinstance(result, errors.ErrorFolderExists):
                    raise result
                child = self._child(folder, name)
            if child is None:
                raise GatewayError("refused", "there is no such folder")
            folder = child
        return folder

    def _child(self, folder: Any, name: str) -> Any:
        found = None
        for child in FolderCollection(account=self._account, folders=[folder]).find_folders(depth=SHALLOW, additional_fields=set()):
            if isinstance(child, Exception):
                raise child
            # Exchange has no two names in a folder that differ in case only.
            if (child.name or "").casefold() == name.casefold():
                found = child
        return found

    def _well_known(self, name: str) -> Any:
        return DistinguishedFolderId(id=name, mailbox=Mailbox(email_address=self._account.primary_smtp_address))


class _StrictXml:
    """For answers that are read as a whole or not at all: exchangelib mends broken XML, and what was broken off would be missed."""

    def _get_soap_parts(self, response: Any) -> Any:
        try:
            lxml.etree.fromstring(response.content, lxml.etree.XMLParser(resolve_entities=False, huge_tree=True))
        except lxml.etree.XMLSyntaxError as error:
            raise errors.MalformedResponseError("the answer is no XML") from error
        return super()._get_soap_parts(response)  # type: ignore[misc]


class _CleanXml:
    """For answers with people's texts, in which Exchange refers to characters that XML does not have. From such a place on the mended XML
    lacks every `&` and `<`. (exchangelib's own cleaning takes out line ends and umlauts too.)
    """

    def _get_soap_parts(self, response: Any) -> Any:
        content = _REFERENCE.sub(lambda found: found[0] if _is_character(found) else b"?", response.content)
        return super()._get_soap_parts(DummyResponse(content=content))  # type: ignore[misc]


class _EachByItself:
    """What is wrong with one item is given in its place."""

    ERRORS_TO_CATCH_IN_RESPONSE: ClassVar[Any] = errors.TransportError
    WARNINGS_TO_CATCH_IN_RESPONSE: ClassVar[Any] = errors.TransportError


class _Sync(_StrictXml, SyncFolderItems):  # type: ignore[misc]
    def _get_element_container(self, message: Any, name: str | None = None) -> Any:
        if message.get("ResponseClass") == "Success":
            return super()._get_element_container(message, name)
        # The parent looks for a sync state first, which an error need not have.
        return super(SyncFolder, self)._get_element_container(message, name)

    def _elem_to_obj(self, elem: Any) -> Any:
        # The parent knows not all kinds of items, and would fail for all because of one.
        return Message.from_xml(elem=elem[0], account=self.account) if self.change_types_map[elem.tag] == self.CREATE else None


class _Items(_EachByItself, GetItem):  # type: ignore[misc]
    def _elem_to_obj(self, elem: Any) -> Any:
        return Message.from_xml(elem=elem, account=self.account)


class _Mimes(_StrictXml, _Items):
    pass


class _Properties(_CleanXml, _Items):
    pass


class _Attachments(_CleanXml, _EachByItself, GetAttachment):  # type: ignore[misc]
    pass


class _Move(_EachByItself, MoveItem):  # type: ignore[misc]
    pass


class _Update(_EachByItself, UpdateItem):  # type: ignore[misc]
    pass


def _is_character(reference: re.Match[bytes]) -> bool:
    """Whether what is referred to is a character of XML 1.0."""
    number = int(reference[1] or reference[2], 16 if reference[1] else 10)
    return number in (9, 10, 13) or 0x20 <= number <= 0xD7FF or 0xE000 <= number <= 0xFFFD or 0x10000 <= number <= 0x10FFFF


def _check(error: Exception) -> None:
    """Raise `GatewayError` if `error`, which came for one item, is about more than that."""
    found = as_gateway_error(error)
    if found.reason not in ("refused", "malformed") and not isinstance(error, errors.ErrorInternalServerError):
        raise found from error


def _only(results: Iterable[Any]) -> Any:
    (result,) = results
    return result


def _paths(*names: str) -> set[Any]:
    return {FieldPath(field=Message.get_field_by_fieldname(name)) for name in names}


_CHANGE = _paths("size", "datetime_received")
_MIME = _paths("mime_content")
_HEADER = _paths(
    *("headers", "author", "sender", "to_recipients", "cc_recipients", "reply_to", "subject"),
    *("message_id", "in_reply_to", "references", "datetime_sent", "datetime_received"),
)
_CONTENT = _HEADER | _paths("body", "attachments")
_ABOUT_THE_ITEM = (
    errors.ErrorContentConversionFailed,
    errors.ErrorCorruptData,
    errors.ErrorInternalServerError,
    errors.ErrorInvalidPropertySet,
    errors.ErrorIrresolvableConflict,
    errors.ErrorItemCorrupt,
    errors.ErrorItemSave,
    errors.ErrorItemSavePropertyError,
    errors.ErrorMessageSizeExceeded,
    errors.ErrorMoveCopyFailed,
    errors.ErrorStaleObject,
)
"""Why one item is neither moved nor marked, when others are."""
