"""The stream of changes of tasks by task's API, as it comes to whoever looks at a page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import httpx

from services.desk.gateways.asking import Away

SILENCE_SECONDS = 45.0
"""Three times as long as the service is ever silent."""
_CONTEXT = httpx.create_ssl_context()


class TaskChangesReader:
    """Follows the changes, within the event loop of whoever asks."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def follow(self, token: str, params: Mapping[str, str], place: str) -> AsyncIterator[tuple[str, str]]:
        """(what happened, the place after it) until the stream ends: `ready`, `task`, `gone`, `reset`, `end`. Raises `Away`.

        `place`: where to go on; empty: from now on.
        """
        headers = {"Authorization": f"Bearer {token}"} | ({"Last-Event-ID": place} if place else {})
        name = ""
        try:
            async with (
                httpx.AsyncClient(
                    base_url=self._url, timeout=httpx.Timeout(10, read=SILENCE_SECONDS), trust_env=False, verify=_CONTEXT
                ) as client,
                client.stream("GET", "/tasks/changes", params=params, headers=headers) as answer,
            ):
                if answer.status_code != 200:
                    raise Away
                async for line in answer.aiter_lines():
                    field, _, value = line.partition(": ")
                    if field == "id":
                        place = value
                    elif field == "event":
                        name = value
                    elif not line and name:
                        yield name, place
                        name = ""
        # An address that is not set is no URL at all.
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise Away from error
