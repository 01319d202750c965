"""What the services' processes say about themselves, for the health page."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True, slots=True)
class ProcessHealth:
    """One process. `lag`: messages it has not taken in yet, None where it consumes none."""

    name: str
    is_up: bool
    is_ready: bool
    reasons: tuple[str, ...] = ()
    config_version: int | None = None
    lag: int | None = None
    outbox_age_seconds: float | None = None
    counts: Mapping[str, int] = field(default_factory=dict)


class Processes:
    """Asks all processes at once."""

    def __init__(self, urls: Mapping[str, str], timeout_seconds: float = 3.0) -> None:
        self._urls = {name: url for name, url in urls.items() if url}
        self._client = httpx.Client(timeout=timeout_seconds, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def health(self, token: str) -> list[ProcessHealth]:
        """Every process, in the order they were given; counts are asked with `token`."""
        if not self._urls:
            return []
        with ThreadPoolExecutor(max_workers=min(16, len(self._urls))) as pool:
            return list(pool.map(lambda item: self._one(item[0], item[1], token), self._urls.items()))

    def _one(self, name: str, url: str, token: str) -> ProcessHealth:
        try:
            answer = self._client.get(f"{url}/health/ready")
            content = answer.json()
        except (httpx.HTTPError, ValueError):
            return ProcessHealth(name, is_up=False, is_ready=False, reasons=("it does not answer",))
        version = content.get("config_version")
        lag, age = self._metrics(url)
        return ProcessHealth(
            name,
            is_up=True,
            is_ready=answer.status_code == httpx.codes.OK,
            reasons=tuple(str(reason) for reason in content.get("reasons", ())),
            config_version=version if isinstance(version, int) else None,
            lag=lag,
            outbox_age_seconds=age,
            counts=self._counts(url, token),
        )

    def _metrics(self, url: str) -> tuple[int | None, float | None]:
        try:
            text = self._client.get(f"{url}/metrics").text
            samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        except (httpx.HTTPError, ValueError):
            return None, None
        lags = [sample.value for sample in samples if sample.name.endswith("_consumer_lag_messages")]
        ages = [sample.value for sample in samples if sample.name.endswith("_outbox_age_seconds")]
        return (int(sum(lags)) if lags else None), (max(ages) if ages else None)

    def _counts(self, url: str, token: str) -> dict[str, int]:
        try:
            answer = self._client.get(f"{url}/counts", headers={"Authorization": f"Bearer {token}"})
            content: Any = answer.json() if answer.status_code == httpx.codes.OK else {}
        except (httpx.HTTPError, ValueError):
            return {}
        return {str(name): int(count) for name, count in content.items()} if isinstance(content, dict) else {}
