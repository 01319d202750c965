"""Records one message for each type of event that has none yet: `python tests/contract/record_payloads.py`; recorded ones stay."""

import json
from pathlib import Path

from shared.schemas.examples import EXAMPLES

PAYLOADS = Path(__file__).parent / "payloads"


def main() -> None:
    """Write the missing ones, as this release sends them."""
    for name, event in EXAMPLES.items():
        file = PAYLOADS / f"{name}.json"
        if not file.exists():
            headers = {header: value.decode() for header, value in event.headers()}
            message = {"key": event.key, "headers": headers, "value": json.loads(event.value())}
            file.write_text(json.dumps(message, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
