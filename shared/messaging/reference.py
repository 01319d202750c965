"""Reference data: the configuration in all its versions and the directory of staff, read from their compacted topics.

Read to their end before anything else is consumed, then followed by a thread.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Generic, Protocol, TypeVar

from shared.messaging.kafka import Consumer, KafkaException, Message, TopicPartition, consumer_settings, headers_of
from shared.observability import get_logger
from shared.schemas import topics
from shared.schemas.configuration import Configuration, NotConfigured
from shared.schemas.envelope import LARGEST_VERSION, Undecodable, decode
from shared.schemas.events import ConfigurationPublished, StaffChanged, UnitChanged

log = get_logger(__name__)

T = TypeVar("T")


class ReferenceData(Protocol):
    """What services see of the reference data."""

    @property
    def version(self) -> int:
        """The newest configuration version known; 0 before there is one."""

    @property
    def staff(self) -> Mapping[str, StaffChanged]:
        """Staff by user."""

    @property
    def units(self) -> Mapping[str, UnitChanged]:
        """Business units by code."""

    def configuration(self, version: int = 0) -> Configuration:
        """The configuration of this version; 0 or an unknown old one: the newest. Raises NotConfigured before there is one."""


class StaticReference:
    """Reference data that is given and stays: for tests and tools."""

    def __init__(
        self,
        configuration: Configuration,
        staff: Mapping[str, StaffChanged] | None = None,
        units: Mapping[str, UnitChanged] | None = None,
        version: int = 1,
    ) -> None:
        self._configuration = configuration
        self.version = version
        self.staff: Mapping[str, StaffChanged] = staff if staff is not None else staff_of(configuration)
        self.units: Mapping[str, UnitChanged] = units if units is not None else units_of(configuration)

    def configuration(self, version: int = 0) -> Configuration:  # noqa: ARG002 - the protocol's argument
        """The one configuration."""
        return self._configuration


def staff_of(configuration: Configuration) -> dict[str, StaffChanged]:
    """The directory entries of a configuration's users."""
    return {
        u.user: StaffChanged(user=u.user, name=u.name, email=u.email, unit=u.unit, roles=u.roles, active=u.active)
        for u in configuration.users
    }


def units_of(configuration: Configuration) -> dict[str, UnitChanged]:
    """The directory entries of a configuration's business units."""
    return {
        unit.code: UnitChanged(
            unit=unit.code,
            name=unit.name,
            email=unit.email,
            leader=unit.leader,
            manager=unit.manager,
            members=tuple(u.user for u in configuration.users if u.unit == unit.code and u.active),
        )
        for unit in configuration.units
    }


class Reference:
    """Follows the configuration and directory topics. `start` returns once both were read to their end and there is a configuration."""

    def __init__(self, kafka: str, prefix: str = "") -> None:
        self._kafka = kafka
        self._prefix = prefix
        self._versions: dict[int, Configuration] = {}
        self._newest = 0
        self.staff: dict[str, StaffChanged] = {}
        self.units: dict[str, UnitChanged] = {}
        self._ready = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._broken = ""

    @property
    def version(self) -> int:
        """The newest configuration version known; 0 before there is one."""
        return self._newest

    def configuration(self, version: int = 0) -> Configuration:
        """The configuration of this version; 0 or one no longer kept: the newest. Raises NotConfigured before there is one."""
        found = self._versions.get(version) or self._versions.get(self._newest)
        if found is None:
            raise NotConfigured("no configuration has been published yet")
        return found

    def start(self, stop: threading.Event | None = None) -> Reference:
        """Begin to follow; block until everything there is was read and there is a configuration, or `stop` is set."""
        self._thread = threading.Thread(target=self._follow, name="reference", daemon=True)
        self._thread.start()
        while not self._ready.wait(0.1):
            if stop is not None and stop.is_set():
                break
        return self

    def problems(self) -> list[str]:
        """Why this is not ready; empty when it is."""
        if self._broken:
            return [self._broken]
        return [] if self._ready.is_set() else ["waiting for the configuration and directory topics"]

    def close(self) -> None:
        """Stop following."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5)

    def _follow(self) -> None:
        while not self._stop.is_set():
            try:
                self._read()
            except KafkaException as error:
                log.warning("reference topics cannot be read; trying again", error=str(error))
                self._stop.wait(0.5)
            except BaseException as error:
                # The thread ends; whoever looks after this process has to see that it follows no more.
                self._broken = f"configuration and directory are no longer followed: {type(error).__name__}"
                raise

    def _read(self) -> None:
        # Almost never does anything come here, and there is one such reader in every process.
        settings = consumer_settings(self._kafka, f"{self._prefix}casestream-reference-{uuid.uuid4()}", None) | {"fetch.wait.max.ms": 2000}
        consumer = Consumer(settings)
        try:
            ends: dict[str, int] = {}
            positions: dict[str, int] = {}
            for name in (topics.CONFIGURATION, topics.DIRECTORY):
                partition = TopicPartition(self._prefix + name, 0)
                low, high = consumer.get_watermark_offsets(partition, timeout=5.0)
                ends[partition.topic], positions[partition.topic] = high, low
            consumer.assign([TopicPartition(topic, 0, offset) for topic, offset in positions.items()])
            while not self._stop.is_set():
                message = consumer.poll(0.5)
                for received in [message, *consumer.consume(499, 0)] if message is not None else []:
                    error = received.error()
                    if error is not None:
                        if error.retriable() or error.code() == 3:  # UNKNOWN_TOPIC_OR_PART: not created yet
                            continue
                        raise KafkaException(error)
                    self._take(received)
                if not self._ready.is_set() and self._newest:
                    current = {p.topic: p.offset for p in consumer.position([TopicPartition(t, 0) for t in ends])}
                    if all(current[topic] >= end or end == low_of(positions, topic) for topic, end in ends.items()):
                        self._ready.set()
        finally:
            consumer.close()

    def _take(self, message: Message) -> None:
        headers = dict(headers_of(message))
        payload = REFERENCE_TYPES.get(headers.get("ce_type", b"").decode("utf-8", "replace"))
        if payload is None:
            return
        try:
            data = decode(message.key(), headers, message.value(), payload).data
        except Undecodable as error:
            log.warning("reference message cannot be read", topic=message.topic(), offset=message.offset(), reason=str(error))
            return
        if isinstance(data, ConfigurationPublished):
            self._take_configuration(data, message)
        elif isinstance(data, StaffChanged):
            self.staff[data.user] = data
        elif isinstance(data, UnitChanged):
            self.units[data.unit] = data

    def _take_configuration(self, data: ConfigurationPublished, message: Message) -> None:
        """Keep a version that can be read. One that cannot would otherwise end whoever first works under it, again and again."""
        try:
            configuration = Configuration.model_validate(data.document)
        except (ValueError, RecursionError) as error:
            log.warning("configuration cannot be read", version=data.version, offset=message.offset(), error=type(error).__name__)
            return
        if data.version > LARGEST_VERSION:
            log.warning("no configuration has such a version", version=data.version, offset=message.offset())
            return
        self._versions[data.version] = configuration
        self._newest = max(self._newest, data.version)
        log.info("configuration version known", version=data.version)


REFERENCE_TYPES = {payload.event_type: payload for payload in (ConfigurationPublished, StaffChanged, UnitChanged)}


def low_of(positions: Mapping[str, int], topic: str) -> int:
    """Where reading began: an end at the same place means that the topic is empty."""
    return positions[topic]


class VersionCache(Generic[T]):
    """What a service compiles from a configuration (calendars, patterns, workflows), once per version."""

    def __init__(self, reference: ReferenceData, build: Callable[[Configuration], T]) -> None:
        self._reference = reference
        self._build: Callable[[Configuration, int], T] = lambda configuration, _: build(configuration)
        self._built: dict[int, T] = {}
        self._lock = threading.Lock()

    @classmethod
    def numbered(cls, reference: ReferenceData, build: Callable[[Configuration, int], T]) -> VersionCache[T]:
        """The same for what has to know its version's number: `build` is given it too."""
        cache = cls(reference, lambda configuration: build(configuration, 0))
        cache._build = build
        return cache

    def get(self, version: int = 0) -> T:
        """What was built from this version (0: the newest)."""
        wanted = version or self._reference.version
        found = self._built.get(wanted)
        if found is None:
            with self._lock:
                found = self._built.get(wanted)
                if found is None:
                    started = time.monotonic()
                    found = self._built[wanted] = self._build(self._reference.configuration(wanted), wanted)
                    log.debug("configuration compiled", version=wanted, seconds=round(time.monotonic() - started, 3))
        return found
