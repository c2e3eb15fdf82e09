"""A recorded request as something that runs: a curl line, a Python script, plain JSON."""

from __future__ import annotations

import json
import shlex

from reviewapp.formats.openai import PATHS
from reviewapp.pure import rawjson
from reviewapp.pure.exchange import Endpoint


def _path(endpoint: Endpoint) -> str:
    return PATHS[endpoint].removeprefix("/v1")


def as_curl(*, endpoint: Endpoint, request_text: str, base_url: str) -> str:
    """A curl command for a POSIX shell; the key comes from OPENAI_API_KEY."""
    body = rawjson.to_bytes(request_text).decode("utf-8", "replace")
    return (
        f"curl {shlex.quote(base_url.rstrip('/') + _path(endpoint))} \\\n"
        '  -H "Authorization: Bearer $OPENAI_API_KEY" \\\n'
        "  -H 'Content-Type: application/json' \\\n"
        f"  --data-binary {shlex.quote(body)}"
    )


def as_python(*, endpoint: Endpoint, request_text: str, base_url: str) -> str:
    """A Python script that asks the same with the openai SDK and prints the answer.

    The body stands in it as JSON text, so that every field goes out as it was recorded. A recorded
    stream is asked for in one piece.
    """
    body = json.dumps(rawjson.splice(request_text, drop=("stream", "stream_options")))
    return (
        "import json\n"
        "\n"
        "from openai import OpenAI\n"
        "\n"
        f"client = OpenAI(base_url={base_url!r})  # the key is read from OPENAI_API_KEY\n"
        f"request = json.loads({body})\n"
        f'response = client.post("{_path(endpoint)}", body=request, cast_to=object)\n'
        "print(json.dumps(response, indent=2, ensure_ascii=False))\n"
    )
