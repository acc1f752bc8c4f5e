// The openai library: chat, plain and streamed.
import assert from "node:assert/strict";
import { ask, atOnce, collect, model, refusal, user } from "./stage.mjs";

const kScripts = ["Tell me of a fox.", "森の中の狐の話をして。", "告诉我狐狸的故事", "ספר לי על שועל", "حدثني عن ثعلب",
  "👩‍👩‍👧‍👦 and 🏳️‍🌈 went", "e\u0301 cafe\u0301 n\u0303", "ไทย", "Привет, лиса", "नमस्ते",
  "  two  spaces ", "a\n\nb\tc",
  "𝔉𝔬𝔵 😀", "<b>fox</b> & \"bear\"", "\\u0041 \\n", "x".repeat(90), "\u200b\u200d",
  "fox\r\nbear", "½ ² ﬁ", "🦊"];

export const textOf = (completion) => completion.choices[0].message.content;
export const streamedText = (chunks, index = 0) => chunks.flatMap((chunk) => chunk.choices)
  .filter((choice) => choice.index === index).map((choice) => choice.delta.content ?? "").join("");

export async function chatCases(cases, { openai, writer }) {
  const create = (body, options) => openai.chat.completions.create(
    { model, messages: ask, seed: 7, max_tokens: 24, ...body }, options);
  const stream = async (body) => collect(await create({ ...body, stream: true }));

  await cases.check("chat: an answer, its usage and its end", async () => {
    const cut = await create({ ignore_eos: true });
    assert.ok(textOf(cut).length > 0);
    assert.equal(cut.choices[0].finish_reason, "length");
    assert.equal(cut.usage.completion_tokens, 24);
    assert.equal(cut.usage.prompt_tokens + 24, cut.usage.total_tokens);
    const whole = await create({ stop: " ", max_tokens: 200 });
    assert.equal(whole.choices[0].finish_reason, "stop");
    assert.ok(!textOf(whole).includes(" "));
  });

  await cases.check("chat: streamed as plain, 200 prompts in many scripts", async () => {
    const prompts = Array.from({ length: 200 }, (_, i) =>
      `${kScripts[i % kScripts.length]}${i < 20 ? "" : ` ${i}`}`);
    await atOnce(8, prompts, async (prompt, i) => {
      const body = { messages: user(prompt), seed: i, max_tokens: 12,
        logprobs: true, temperature: i % 3 };
      const [plain, chunks] = [await create(body), await stream(body)];
      assert.equal(streamedText(chunks), textOf(plain), prompt);
      const parts = chunks.flatMap((chunk) => chunk.choices)
        .flatMap((choice) => choice.logprobs?.content ?? []);
      assert.deepEqual(parts, plain.choices[0].logprobs.content, prompt);
      assert.equal(Buffer.from(parts.flatMap((part) => part.bytes)).toString(), textOf(plain));
      assert.equal(chunks.at(-1).choices[0].finish_reason, plain.choices[0].finish_reason);
    });
  });

  await cases.check("chat: the helper's final message is that of create()", async () => {
    const helper = openai.chat.completions.stream(
      { model, messages: ask, seed: 7, max_tokens: 24 });
    let text = "";
    helper.on("content", (part) => { text += part; });
    const [final, plain] = [await helper.finalChatCompletion(), await create({})];
    assert.equal(textOf(final), textOf(plain));
    assert.equal(text, textOf(plain));
    assert.equal(final.choices[0].finish_reason, plain.choices[0].finish_reason);
    assert.equal(final.system_fingerprint, plain.system_fingerprint);
  });

  await cases.check("chat: usage in a stream only where it is asked for, and last", async () => {
    const silent = await stream({});
    assert.ok(silent.every((chunk) => !chunk.usage && chunk.choices.length === 1));
    const told = await stream({ stream_options: { include_usage: true } });
    const usage = told.pop();
    assert.deepEqual(usage.choices, []);
    assert.ok(told.every((chunk) => chunk.usage === null && chunk.choices.length === 1));
    assert.deepEqual(usage.usage.total_tokens, (await create({})).usage.total_tokens);
  });

  await cases.check("chat: chunks have one id, role first, an index and one end", async () => {
    const chunks = await stream({ n: 2 });
    assert.equal(new Set(chunks.map((chunk) => JSON.stringify([chunk.id, chunk.created, chunk.model,
      chunk.object, chunk.system_fingerprint]))).size, 1);
    for (const index of [0, 1]) {
      const choices = chunks.flatMap((chunk) => chunk.choices)
        .filter((each) => each.index === index);
      assert.equal(choices[0].delta.role, "assistant");
      assert.deepEqual(choices.map((choice) => choice.finish_reason !== null).indexOf(true),
        choices.length - 1);
    }
  });

  await cases.check("chat: stop strings, wherever they begin and end", async () => {
    const whole = textOf(await create({ max_tokens: 60 }));
    const letters = [...whole];
    const parts = [[0, 1], [3, 4], [5, 11], [10, 20], [2, 3], [15, 30]]
      .map(([from, to]) => letters.slice(from, to).join("")).filter((part) => part !== "");
    for (const stop of [...parts, [parts[3], parts[2], parts[5]], Array(16).fill(parts[4]),
      ["no such text", parts[2]]]) {
      const cut = Math.min(...[stop].flat().map((each) => whole.indexOf(each))
        .filter((at) => at >= 0));
      const body = { stop, max_tokens: 60 };
      const [plain, chunks] = [await create(body), await stream(body)];
      assert.equal(textOf(plain), whole.slice(0, cut), JSON.stringify(stop));
      assert.equal(plain.choices[0].finish_reason, "stop");
      assert.equal(streamedText(chunks), whole.slice(0, cut), JSON.stringify(stop));
    }
    const held = { stop: [`${letters.slice(-6).join("")}never`], max_tokens: 60 };
    assert.equal(streamedText(await stream(held)), whole);
  });

  await cases.check("chat: most tokens by either name, and not by both", async () => {
    assert.equal((await create({ max_tokens: 1 })).usage.completion_tokens, 1);
    const named = await create({ max_tokens: undefined, max_completion_tokens: 3 });
    assert.equal(named.usage.completion_tokens, 3);
    const error = await refusal(create({ max_tokens: 3, max_completion_tokens: 4 }));
    assert.equal(error.status, 400);
    assert.ok(["max_tokens", "max_completion_tokens"].includes(error.param), error.param);
  });

  await cases.check("chat: bias forbids a token or forces it", async () => {
    const post = async (route, body) => (await fetch(`${writer.url}${route}`,
      { method: "POST", body: JSON.stringify(body) })).json();
    const id = (await post("/tokenize", { prompt: " king", add_special_tokens: false })).tokens[0];
    const forced = await create({ logit_bias: { [id]: 100 }, max_tokens: 4, temperature: 0 });
    assert.equal(textOf(forced), " king king king king");
    const free = await create({ max_tokens: 8, temperature: 0, logprobs: true, top_logprobs: 1 });
    const first = (await post("/tokenize", { prompt: free.choices[0].logprobs.content[0].token,
      add_special_tokens: false })).tokens[0];
    const other = await create({ logit_bias: { [first]: -100 }, max_tokens: 8, temperature: 0 });
    assert.notEqual(textOf(other), textOf(free));
  });

  await cases.check("chat: n texts, each with its index, of one prompt", async () => {
    const body = { n: 3, temperature: 1, max_tokens: 16, seed: 3 };
    const [plain, chunks] = [await create(body), await stream(body)];
    assert.deepEqual(plain.choices.map((choice) => choice.index), [0, 1, 2]);
    const texts = plain.choices.map((choice) => choice.message.content);
    assert.equal(new Set(texts).size, 3);
    texts.forEach((text, i) => assert.equal(streamedText(chunks, i), text));
    assert.equal(textOf(await create({ ...body, n: 1, seed: 4 })), texts[1]);
    assert.equal(plain.usage.prompt_tokens, (await create({})).usage.prompt_tokens);
  });

  await cases.check("chat: logprobs with their bytes and the likeliest", async () => {
    const answer = await create({ logprobs: true, top_logprobs: 3, temperature: 0 });
    const { content } = answer.choices[0].logprobs;
    assert.equal(Buffer.from(content.flatMap((each) => each.bytes)).toString(), textOf(answer));
    for (const entry of content) {
      assert.equal(entry.top_logprobs.length, 3);
      assert.equal(entry.logprob, Math.max(...entry.top_logprobs.map((top) => top.logprob)));
    }
  });

  await cases.check("chat: unknown fields are listed, refused ones are named", async () => {
    const { response } = await create({ marmalade: 1, user: "u" }).withResponse();
    const ignored = response.headers.get("x-bitnetc-ignored");
    assert.match(ignored, /marmalade/);
    assert.match(response.headers.get("x-request-id"), /./);
  });
}
