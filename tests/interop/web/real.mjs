// The page and bitnetc itself.
import assert from "node:assert/strict";
import { answered, ask, begin, errorOf, facts, set, texts } from "./browser.mjs";

const kQuestion = "Once upon a time there was a king who had three daughters,";

async function post(url, path, body) {
  const response = await fetch(url + path, { method: "POST", body: JSON.stringify(body) });
  assert.equal(response.status, 200);
  return (await response.json()).choices[0];
}

export const realCases = {
  async "a streamed answer is what a client gets that does not stream"({ browser, chat }) {
    const page = await browser.open(chat.url);
    await set(page, { temperature: 0, max_tokens: 400 });
    const streamed = page.waitForResponse((response) => response.url().endsWith("completions"));
    const text = await ask(page, kQuestion);
    assert.match((await streamed).headers()["content-type"], /^text\/event-stream/);
    const { message } = await post(chat.url, "/v1/chat/completions", { temperature: 0,
      max_tokens: 400, messages: [{ role: "user", content: kQuestion }] });
    assert.equal(text, message.content.trim());
    assert.match(await facts(page),
      /^400 tokens( · [\d.]+ per second)? · prompt \d+( \(\d+ cached\))? · most tokens reached$/);
    assert.equal(await page.title(), "fairytale-6m – bitnetc");
    const again = await post(chat.url, "/v1/chat/completions", { temperature: 0, max_tokens: 20,
      messages: [{ role: "system", content: "Be brief." }, { role: "user", content: kQuestion },
        { role: "assistant", content: message.content }, { role: "user", content: "And then?" }] });
    await set(page, { system: "Be brief.", max_tokens: 20 });
    assert.equal(await ask(page, "And then?"), again.message.content.trim());
  },

  async "a model without a chat template continues texts"({ browser, plain }) {
    const page = await browser.open(plain.url);
    assert.match(await page.locator("#mode").textContent(),
      /^Plain completion: .* --chat-template tools\/examples\/chat\.jinja$/);
    assert.equal(await page.getByLabel("Text to continue").count(), 1);
    await set(page, { temperature: 0, max_tokens: 20 });
    const said = "Once upon a time";
    const next = await ask(page, said);
    const complete = async (prompt) =>
      (await post(plain.url, "/v1/completions", { prompt, temperature: 0, max_tokens: 20 })).text;
    assert.equal(next, await complete(said));
    await page.getByRole("button", { name: "Continue" }).click();
    await answered(page);
    const longer = next + await complete(said + next);
    assert.deepEqual(await texts(page), [said, longer]);
    assert.equal(await ask(page, "The fox"), await complete(`${said}${longer}\nThe fox`));
  },

  async "loops are broken, and texts end where they shall"({ browser, plain }) {
    const page = await browser.open(plain.url);
    // It comes from the server; the settings are closed.
    await page.waitForSelector("#repeat_penalty[placeholder]", { state: "attached" });
    for (const [name, value] of [["min_p", "0"], ["repeat_penalty", "1"]])
      assert.match(await page.getAttribute(`#${name}`, "placeholder"), new RegExp(`^${value}`));
    const numbers = { temperature: 0, max_tokens: 60, min_p: 0.1, repeat_penalty: 1.3 };
    const { text } = await post(plain.url, "/v1/completions", { prompt: kQuestion, ...numbers });
    const word = text.split(" ")[4];
    await set(page, { ...numbers, stops: `no such text\n\n${word}\nnor this\\n` });
    assert.equal(await ask(page, kQuestion), text.slice(0, text.indexOf(word)));
    assert.match(await facts(page), /^\d tokens /);
  },

  async "a full context ends in a new conversation"({ browser, plain }) {
    const page = await browser.open(plain.url);
    assert.equal(await page.getAttribute("#max_tokens", "placeholder"), "256");
    await set(page, { temperature: 0 });
    await ask(page, "Once upon a time");
    const carryOn = page.getByRole("button", { name: "Continue" });
    for (let i = 0; i < 3; ++i) {
      assert.match(await facts(page), /^256 tokens .* most tokens reached$/);
      await carryOn.click();
      await page.locator("#stop").waitFor({ state: "hidden" });
    }
    // 256 more did not fit, so what fits was written.
    assert.match(await facts(page), /^2\d\d tokens .* the context is full$/);
    assert.equal(await carryOn.count(), 0);
    await ask(page, "The fox");
    assert.match(await errorOf(page), /of this model 1024\. Begin a new conversation\.$/);
    assert.equal(await page.getByRole("button", { name: "Try again" }).count(), 0);
    await page.getByRole("button", { name: "New", exact: true }).click();
    assert.deepEqual(await texts(page), []);
    assert.equal(await page.inputValue("#input"), "The fox");
    await page.press("#input", "Enter");
    await page.locator(".facts", { hasText: "256 tokens" }).waitFor();
  },

  async "the page asks for a key"({ browser, closed }) {
    const page = await browser.open(closed.url, { waits: false });
    const dialog = page.getByRole("dialog", { name: "API key" });
    assert.match(await dialog.textContent(), /an API key is needed/);
    await page.keyboard.type("wrong");
    await page.keyboard.press("Enter");
    await page.getByText("the API key is wrong").waitFor();
    await page.getByLabel("Key", { exact: true }).fill("secret");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.title === "fairytale-6m – bitnetc");
    await set(page, { max_tokens: 5 });
    assert.ok((await ask(page, kQuestion)).length > 0);
    assert.equal(await page.evaluate(() => JSON.stringify(localStorage).includes("secret")), false);
    await page.reload();
    await page.waitForFunction(() => document.title === "fairytale-6m – bitnetc");
    assert.equal(await dialog.count(), 0);
  },

  // Chromium may lose what comes just before a break, the more so the busier the machine is.
  async "a stream that the server breaks off says why"({ browser, hurried }) {
    const why = /longer than the server allows/;
    let said = "";
    for (let i = 0; i < 10 && !why.test(said); ++i) {
      const page = await browser.open(hurried.url);
      await set(page, { temperature: 0, max_tokens: 1000 });
      await begin(page, kQuestion);
      said = await errorOf(page);
      assert.match(said, /longer than the server allows|^The connection broke before/);
    }
    assert.match(said, why);
  },

  async "without a key there is no answer"({ browser, closed }) {
    const page = await browser.open(closed.url, { waits: false });
    await page.getByRole("dialog").waitFor();
    await page.keyboard.press("Escape");
    await begin(page, "Hello");
    await page.getByRole("dialog").waitFor();
    await page.getByRole("button", { name: "Cancel" }).click();
    assert.match(await errorOf(page), /an API key is needed/);
    await page.getByRole("button", { name: "Try again" }).click();
    await page.getByRole("dialog").waitFor();
    await page.fill("#key", "secret");
    await page.keyboard.press("Enter");
    await page.locator(".facts", { hasText: "tokens" }).waitFor();
    assert.equal(await page.locator(".error").count(), 0);
  },
};
