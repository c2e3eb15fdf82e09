// Calls the gateway as an application does that uses the official SDK; prints one line of JSON.
import OpenAI from "openai";

const client = new OpenAI({
  baseURL: process.env.GATEWAY,
  apiKey: process.env.KEY,
  maxRetries: 0,
  defaultHeaders: { "X-Review-Provider": "sim", "X-Review-Source": "node" },
});
const messages = [{ role: "user", content: "Where is my parcel 48213? It is late." }];
const asked = { model: "sim-steady", messages, seed: 7 };
const told = {};

const { data: whole, response } = await client.chat.completions.create(asked).withResponse();
told.text = whole.choices[0].message.content;
told.fingerprint = whole.system_fingerprint;
told.interaction = response.headers.get("x-review-interaction");
told.seed = response.headers.get("x-review-seed");

told.streamed = "";
for await (const chunk of await client.chat.completions.create({ ...asked, stream: true, logprobs: true })) {
  told.streamed += chunk.choices[0]?.delta?.content ?? "";
}

const tools = [
  {
    type: "function",
    function: {
      name: "get_weather",
      parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
    },
  },
];
const called = await client.chat.completions.create({
  ...asked,
  messages: [{ role: "user", content: "What is the weather in Boston?" }],
  tools,
});
told.call = called.choices[0].message.tool_calls[0].function;

const several = await client.chat.completions.create({ ...asked, n: 3 });
told.choices = several.choices.length;

const answered = await client.responses.create({ model: "sim-steady", input: "Where is my parcel?" });
told.response = answered.output_text;

const events = await client.responses.create({ model: "sim-steady", input: "Where is my parcel?", stream: true });
told.events = [];
for await (const event of events) told.events.push(event.type);

told.models = (await client.models.list()).data.length;

try {
  await client.chat.completions.create({ model: "no-such-model", messages });
} catch (error) {
  told.error = { status: error.status, name: error.constructor.name };
}

console.log(JSON.stringify(told));
