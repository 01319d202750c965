"""The sender with Microsoft Graph in place of a relay."""

from email import message_from_bytes, policy
from pathlib import Path

import pytest

from tests.service.notify.harness import NotifyService, a_task
from tests.support.graph import CLIENT, MAILBOX, SECRET, TENANT, GraphServer
from tests.support.waiting import eventually


@pytest.mark.requirement("NOTE-1", "EDGE-19")
def test_deliveries_go_out_by_graph_and_wait_while_it_refuses_us(notify: NotifyService, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("has ended")
    notify.take(a_task(1), a_task(2))
    with GraphServer(tmp_path) as graph:
        settings = {
            "mail_by": "graph",
            "mail_from": MAILBOX,
            "graph_tenant": TENANT,
            "graph_client_id": CLIENT,
            "graph_secret_file": secret,
            "graph_endpoint": graph.endpoint,
            "graph_authority": graph.origin,
            "graph_ca_file": graph.ca_file,
        }
        with notify.sending(25, **settings) as sender:
            eventually(lambda: sender.problems())
            assert notify.states().get("failed") is None
            secret.write_text(SECRET)
            eventually(lambda: notify.all_sent(2))
            eventually(lambda: not sender.problems())
        ids = {str(message_from_bytes(raw, policy=policy.default)["Message-ID"]) for raw in graph.sent}
    assert len(ids) == len(graph.sent) == 2
