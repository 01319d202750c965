"""The local Kafka and PostgreSQL as the other service tests use them."""

import psycopg
import pytest

from services.cli.stack.kafka import answers
from services.cli.stack.postgres import derived_passwords, drop_database, provision, random_name


def test_kafka_answers(kafka: str) -> None:
    host, _, port = kafka.rpartition(":")
    assert answers(host, int(port))


def test_a_service_reaches_only_its_own_schema(database: str) -> None:
    name = random_name("walls")
    try:
        urls = provision(database, name, derived_passwords(database, name))
        with psycopg.connect(urls["case"]) as case:
            case.execute("CREATE TABLE secret (x int)")
            assert case.execute("SELECT current_schema()").fetchone() == ("case_service",)
        for statement in (
            "SELECT * FROM case_service.secret",
            "CREATE TABLE case_service.mine (x int)",
            "CREATE TABLE public.mine (x int)",
            "CREATE SCHEMA mine",
        ):
            with psycopg.connect(urls["task"]) as task, pytest.raises(psycopg.errors.InsufficientPrivilege):
                task.execute(statement)
    finally:
        drop_database(database, name)
        with psycopg.connect(database, autocommit=True) as server:
            for service in derived_passwords(database, name):
                server.execute(f'DROP ROLE "{name}_{service}"')


def test_provisioning_again_changes_nothing(database: str) -> None:
    name = random_name("again")
    passwords = {"case": "a" * 16}
    try:
        first = provision(database, name, passwords)
        with psycopg.connect(first["case"]) as case:
            case.execute("CREATE TABLE kept (x int)")
        assert provision(database, name, passwords) == first
        with psycopg.connect(first["case"]) as case:
            assert case.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    finally:
        drop_database(database, name)
        with psycopg.connect(database, autocommit=True) as server:
            server.execute(f'DROP ROLE "{name}_case"')
