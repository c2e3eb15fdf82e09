"""JSON that fits its schema, and calls of tools that a prompt calls for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reviewapp.providers.simulated.chance import key_of
from reviewapp.providers.simulated.language import Weights, write
from reviewapp.providers.simulated.prompts import Message, prompt_of, topic_of
from reviewapp.providers.simulated.sampling import Sampling
from reviewapp.providers.simulated.schemas import Tool, called_tools, free_schema, json_prompt, tool_prompt

WEATHER = Tool(
    "get_weather", "Get the current weather for a city", {"properties": {"city": {"type": "string"}}}
)
ORDER = Tool("lookup_order", "Look up an order", {"properties": {"order_id": {"type": "string"}}})


def said(text: str) -> tuple[Message, ...]:
    return (Message("user", text),)


def filled(
    schema: dict[str, Any], *, text: str = "I want a refund", seed: int = 1, pretty: bool = False
) -> Any:
    messages = said(text)
    topic = topic_of(messages)
    asked = json_prompt(prompt_of(messages, topic=topic), schema, messages, topic=topic, pretty=pretty)
    sampling = Sampling(key_of(seed), temperature=1.5)
    written = write(prompt=asked, weights=Weights(key_of("w")), sampling=sampling, tie_margin=0)
    assert written.finish_reason == "stop"
    return json.loads(written.text)


def object_of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


@pytest.mark.parametrize("seed", range(6))
def test_each_kind_of_value_comes_as_its_schema_says(seed):
    schema = object_of(
        word={"type": "string", "maxLength": 12},
        mood={"enum": ["good", "bad", 3, None]},
        fixed={"const": {"a": [1]}},
        count={"type": "integer", "minimum": 4, "maximum": 6},
        share={"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        even={"type": "integer", "multipleOf": 4, "minimum": 5},
        sure={"type": "boolean"},
        nothing={"type": "null"},
        when={"type": "string", "format": "date"},
        code={"type": "string", "pattern": "^[A-Z]-\\d+$"},
        either={"anyOf": [{"type": "integer"}, {"type": "null"}]},
        several={"type": ["string", "null"]},
    )

    value = filled(schema, seed=seed)

    assert list(value) == schema["required"]
    assert isinstance(value["word"], str)
    assert len(value["word"]) <= 12
    assert value["mood"] in ("good", "bad", 3, None)
    assert value["fixed"] == {"a": [1]}
    assert value["count"] in (4, 5, 6)
    assert 0 < value["share"] <= 1
    assert value["even"] % 4 == 0
    assert value["even"] >= 5
    assert isinstance(value["sure"], bool)
    assert value["nothing"] is None
    assert value["when"].startswith("2026-")
    assert value["either"] is None or isinstance(value["either"], int)
    assert value["several"] is None or isinstance(value["several"], str)


@pytest.mark.parametrize("pretty", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_arrays_keep_to_their_bounds_and_their_items(seed, pretty):
    items = {"type": "array", "minItems": 2, "maxItems": 4, "items": object_of(id={"type": "string"})}
    tags = {"type": "array", "items": {"enum": ["a", "b", "c"]}, "uniqueItems": True}

    value = filled(
        object_of(items=items, tags=tags, none={"type": "array", "maxItems": 0}), seed=seed, pretty=pretty
    )

    assert 2 <= len(value["items"]) <= 4
    assert all(isinstance(each["id"], str) for each in value["items"])
    assert len(set(value["tags"])) == len(value["tags"]) >= 1
    assert value["none"] == []


def test_a_schema_that_contains_itself_comes_to_an_end():
    schema = object_of(value={"type": "integer"}, child={"anyOf": [{"$ref": "#"}, {"type": "null"}]})

    value = filled(schema)

    while value is not None:
        assert isinstance(value["value"], int)
        value = value["child"]


def test_references_and_allof_are_followed():
    schema = {
        "$defs": {"Name": object_of(name={"type": "string"}), "Age": object_of(age={"type": "integer"})},
        **object_of(person={"allOf": [{"$ref": "#/$defs/Name"}, {"$ref": "#/$defs/Age"}]}),
    }

    person = filled(schema)["person"]

    assert set(person) == {"name", "age"}


def test_values_are_taken_from_the_prompt():
    schema = object_of(name={"type": "string"}, age={"type": "integer"}, city={"type": "string"})

    values = [filled(schema, text="Anna Keller, 34 years, lives in Boston", seed=seed) for seed in range(10)]

    assert sum(value == {"name": "Anna Keller", "age": 34, "city": "Boston"} for value in values) >= 4


def test_names_of_properties_with_quotes_stay_valid_json():
    assert list(filled(object_of(**{'a "quoted" \n name': {"type": "boolean"}}))) == ['a "quoted" \n name']


def test_a_prompt_may_name_the_keys_it_wants():
    schema = free_schema(said("Answer in JSON with the keys: category, urgency and reason."))

    assert list(schema["properties"]) == ["category", "urgency", "reason"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("What's the weather like in Boston today?", ["get_weather"]),
        ("Please look up my order 48213", ["lookup_order"]),
        ("Tell me a joke", []),
    ],
)
def test_a_tool_is_called_when_the_prompt_calls_for_it(text, names):
    assert [tool.name for tool in called_tools((WEATHER, ORDER), said(text), forced=False)] == names


def test_a_forced_call_is_made_in_any_case():
    assert len(called_tools((WEATHER, ORDER), said("Tell me a joke"), forced=True)) == 1


def test_the_arguments_of_a_call_fit_its_parameters():
    messages = said("What's the weather like in Boston today?")
    asked = tool_prompt(prompt_of(messages, topic="general"), WEATHER, messages, topic="general")

    written = write(
        prompt=asked, weights=Weights(key_of("w")), sampling=Sampling(key_of(1), 0.0), tie_margin=0
    )

    assert json.loads(written.text) == {"city": "Boston"}
