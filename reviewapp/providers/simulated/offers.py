"""What a request offers and demands beside its messages: tools, the choice among them, the format of the
answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reviewapp.providers.simulated import refusals
from reviewapp.providers.simulated.refusals import invalid, json_object, missing, wrong_type
from reviewapp.providers.simulated.schemas import Tool


def read_tools(value: Any, *, nested: bool) -> tuple[Tool, ...]:
    """The functions that a request offers; `nested` as in chat completions, flat as in responses."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise wrong_type("tools", "an array of objects", value)
    found = []
    for index, item in enumerate(value):
        param = f"tools[{index}]"
        if not isinstance(item, dict):
            raise wrong_type(param, "an object", item)
        if "type" not in item:
            raise missing(f"{param}.type")
        if item["type"] != "function":
            continue
        if nested:
            param += ".function"
            item = json_object(item, "function", param=param)
            if item is None:
                raise missing(param)
        name = refusals.text(item, "name", param=f"{param}.name")
        parameters = json_object(item, "parameters", param=f"{param}.parameters") or {}
        if parameters.get("type", "object") != "object":
            raise invalid(
                f"Invalid schema for function '{name}': schema must be a JSON Schema of 'type: \"object\"',"
                f" got 'type: \"{parameters['type']}\"'.",
                f"{param}.parameters",
                "invalid_function_parameters",
            )
        found.append(Tool(name, str(item.get("description") or ""), parameters))
    return tuple(found)


def read_tool_choice(value: Any, tools: Sequence[Tool]) -> str:
    """ "none", "auto", "required", or "=" and the name of the one function to call."""
    if value is None:
        return "auto" if tools else "none"
    if isinstance(value, str):
        choice = refusals.supported(value, ("none", "auto", "required"), "tool_choice")
    elif isinstance(value, dict):
        inner = value.get("function", value)
        if value.get("type") == "allowed_tools":
            return "required" if value.get("mode") == "required" else "auto"
        if not isinstance(inner, dict) or not isinstance(inner.get("name"), str):
            raise missing("tool_choice.function.name")
        choice = "=" + inner["name"]
        if tools and inner["name"] not in [tool.name for tool in tools]:
            raise invalid(
                f"Invalid value for 'tool_choice': no function named '{inner['name']}' was specified in the"
                " 'tools' parameter.",
                "tool_choice",
                "invalid_value",
            )
    else:
        raise wrong_type("tool_choice", "one of a string or an object", value)
    if not tools and choice != "none":
        raise invalid("'tool_choice' is only allowed when 'tools' are specified.", "tool_choice")
    return choice


def read_format(value: dict[str, Any] | None, param: str) -> tuple[bool, dict[str, Any] | None]:
    """Whether JSON is wanted, and by which schema."""
    if value is None:
        return False, None
    if "type" not in value:
        raise missing(f"{param}.type")
    kind = refusals.supported(value["type"], ("text", "json_object", "json_schema"), f"{param}.type")
    if kind != "json_schema":
        return kind == "json_object", None
    # Chat completions nest the schema one level deeper than responses.
    holder = (
        json_object(value, "json_schema", param=f"{param}.json_schema") if "json_schema" in value else value
    )
    path = f"{param}.json_schema" if holder is not value else param
    if holder is None or (holder is value and "schema" not in value):
        raise missing(f"{param}.json_schema" if param == "response_format" else f"{param}.schema")
    name = refusals.text(holder, "name", param=f"{path}.name")
    schema = json_object(holder, "schema", param=f"{path}.schema") or {"type": "object", "properties": {}}
    if holder.get("strict") and schema.get("type") != "object":
        raise invalid(
            f"Invalid schema for response_format '{name}': schema must be a JSON Schema of"
            f" 'type: \"object\"', got 'type: \"{schema.get('type')}\"'.",
            param,
            "invalid_json_schema",
        )
    return True, schema
