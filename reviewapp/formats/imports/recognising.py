"""Which tool wrote a file: told by the shape of what is in it, never by its name."""

from __future__ import annotations

from typing import Any, Final

from reviewapp.formats.imports.cassettes import is_cassette
from reviewapp.formats.imports.judged import is_argilla, is_evaluations, is_label_studio
from reviewapp.formats.openai.fields import object_of, text_of
from reviewapp.pure.exchange import JsonObject
from reviewapp.pure.said import said as tell
from reviewapp.pure.said.templates.marking import gettext_noop

# Every format, and what it is called on screen. What is a tool's own name is called so in every language.
FORMATS: Final[dict[str, str]] = {
    "jsonl": gettext_noop("reviewapp's own shape"),
    "openai-batch": gettext_noop("OpenAI Batch output"),
    "otlp-json": gettext_noop("OpenTelemetry spans, JSON"),
    "otlp-protobuf": gettext_noop("OpenTelemetry export request, protobuf"),
    "stored-completions": gettext_noop("OpenAI stored completions"),
    "openai-evals": gettext_noop("OpenAI Evals"),
    "openai-agents": gettext_noop("OpenAI Agents traces"),
    "litellm": gettext_noop("LiteLLM logs"),
    "llm-logs": gettext_noop("log database of the llm tool"),
    "langfuse": gettext_noop("Langfuse export"),
    "langsmith": gettext_noop("LangSmith runs"),
    "phoenix": gettext_noop("Phoenix spans"),
    "promptfoo": gettext_noop("promptfoo results"),
    "inspect": gettext_noop("Inspect log"),
    "cassette": gettext_noop("VCR cassette"),
    "label-studio": gettext_noop("Label Studio tasks"),
    "argilla": gettext_noop("Argilla records"),
    "otlp-evaluations": gettext_noop("OpenTelemetry evaluation events"),
}
_OBSERVATIONS: Final = frozenset(
    [
        "GENERATION",
        "SPAN",
        "EVENT",
        "AGENT",
        "TOOL",
        "CHAIN",
        "RETRIEVER",
        "EMBEDDING",
        "EVALUATOR",
        "GUARDRAIL",
    ]
)
# What an item says that it is.
_OBJECTS: Final = {
    "chat.completion": "stored-completions",
    "eval.run.output_item": "openai-evals",
    "trace": "openai-agents",
    "trace.span": "openai-agents",
}


def format_of(value: Any) -> str | None:
    """The format that a JSON value is of, as a whole file or as a line of one."""
    if isinstance(value, list):
        return next((found for item in value[:20] if (found := format_of(item))), None)
    if not isinstance(value, dict):
        return None
    if is_cassette(value):
        return "cassette"
    return _of_spans(value) or _of_item(value) or _of_document(value)


def _of_item(value: JsonObject) -> str | None:
    """Of one thing, which may stand on a line of its own."""
    if is_label_studio(value):
        return "label-studio"
    if is_argilla(value):
        return "argilla"
    if "custom_id" in value and value.keys() & {"response", "error", "body"}:
        return "openai-batch"
    if isinstance(value.get("request"), dict) and "method" not in value["request"]:
        return "jsonl"
    if value.get("object") in _OBJECTS:
        return _OBJECTS[value["object"]]
    if "run_type" in value or isinstance(value.get("post"), list) or isinstance(value.get("patch"), list):
        return "langsmith"
    if "call_type" in value and value.keys() & {"startTime", "model_parameters", "request_id"}:
        return "litellm"
    if "traceId" in value and value.get("type") in _OBSERVATIONS:
        return "langfuse"
    if "spec" in value or (value.get("type") in ("sampling", "match") and "sample_id" in value):
        return "openai-evals"
    return None


def _of_spans(value: JsonObject) -> str | None:
    if is_evaluations(value):
        return "otlp-evaluations"
    if "resourceSpans" in value or "resource_spans" in value:
        return "otlp-json"
    if "context.span_id" in value or ("span_kind" in value and isinstance(value.get("context"), dict)):
        return "phoenix"
    context = object_of(value.get("context"))
    if "attributes" in value and ("span_id" in value or "spanId" in value or "span_id" in context):
        return "otlp-json"
    if isinstance(value.get("spans"), list):
        return format_of(value["spans"])
    return None


def _of_document(value: JsonObject) -> str | None:
    """Of a whole file that is one object."""
    if "results" in value and isinstance(value.get("batch"), dict):
        return "openai-batch"
    if isinstance(value.get("observations"), list) or (
        isinstance(value.get("trace"), dict) and "observations" in object_of(value["trace"])
    ):
        return "langfuse"
    if isinstance(value.get("eval"), dict) and "status" in value:
        return "inspect"
    inner = value.get("data")
    if isinstance(inner, list):
        return format_of(inner)
    promptfoo = object_of(inner) or value
    if "results" in promptfoo and promptfoo.keys() & {"stats", "table", "evalId", "config", "prompts"}:
        return "promptfoo"
    return None


def seems_yaml(head: bytes) -> bool:
    """Whether a text that is no JSON begins as a cassette does."""
    start = head[:4096].decode("utf-8", "replace").lstrip("\ufeff \r\n")
    return start.startswith("---") or any(
        line.startswith(("interactions:", "http_interactions:", "version:", "recorded_with:"))
        for line in start.split("\n")
    )


def unrecognised(value: Any) -> str:
    """Why a value is of no format: what stands in it."""
    first = value[0] if isinstance(value, list) and value else value
    if isinstance(first, dict):
        names = ", ".join(sorted(text_of(name) or "" for name in first)[:8])
        if isinstance(value, list):
            return tell("file_array_of", names=names)
        return tell("file_document_of", names=names)
    return tell("file_array") if isinstance(value, list) else tell("file_document")
