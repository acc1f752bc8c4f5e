// The page and a stage: what bitnetc says rarely, and what a model may say.
import assert from "node:assert/strict";
import { answered, ask, begin, errorOf, facts, set, status, texts } from "./browser.mjs";
import { babbling, model, pause, saying } from "./stage.mjs";

const kBroken = /^The connection broke before the answer was whole\.$/;

async function writesSome(page) {
  await page.waitForFunction(() =>
    document.querySelector(".turn.assistant .text")?.textContent.length > 20);
}

// Stopped by `act`: the request ends, what was written stays, and the next one works.
async function checkStop({ browser, stage }, act) {
  let isGone;
  stage.play = async (answer) => { await babbling(answer); isGone = true; };
  const page = await browser.open(stage.url);
  await begin(page, "Go on for ever");
  await writesSome(page);
  await act(page);
  await answered(page);
  const [, written] = await texts(page);
  assert.match(await facts(page), /^\d+ tokens · .* · stopped$/);
  for (let i = 0; i < 100 && !isGone; ++i) await pause(20);
  assert.ok(isGone, "the request goes on");
  assert.equal((await texts(page))[1], written);
  assert.equal(await page.evaluate(() => document.activeElement.id), "input");
  stage.play = saying("Yes", ".");
  assert.equal(await ask(page, "Are you there?"), "Yes.");
  assert.deepEqual(stage.requests[1].body.messages.map(({ role }) => role),
    ["user", "assistant", "user"]);
}

export const stagedCases = {
  // Each word is seen before the next one is written.
  async "an answer is shown while it is written"({ browser, stage }) {
    let next;
    const seen = () => new Promise((resolve) => { next = resolve; });
    stage.play = async (answer) => {
      for (const word of ["Once ", "upon ", "a ", "time."]) {
        const isSeen = seen();
        answer.token(word);
        await isSeen;
      }
      answer.end();
    };
    const page = await browser.open(stage.url);
    await begin(page, "Tell");
    for (const text of ["Once", "Once upon", "Once upon a", "Once upon a time."]) {
      await page.getByText(text, { exact: true }).waitFor();
      assert.ok(await page.locator("#stop").isVisible(), text);
      assert.match(await page.locator("#counts").textContent(), /^\d\stokens?\b/);
      next();
    }
    await answered(page);
    assert.equal(await page.locator(".turn[aria-busy=true]").count(), 0);
    assert.match(await facts(page), /^4 tokens · [\d.]+ per second · prompt 7 \(3 cached\)$/);
  },

  "the button stops": (scene) =>
    checkStop(scene, (page) => page.getByRole("button", { name: "Stop" }).click()),
  "Escape stops": (scene) => checkStop(scene, (page) => page.keyboard.press("Escape")),

  async "settings survive a reload and are what is asked for"({ browser, stage }) {
    stage.play = saying("Yes");
    const page = await browser.open(stage.url);
    const values = { system: "You are a fox.", temperature: 0.5, top_p: 0.9, top_k: 40,
      min_p: 0.05, repeat_penalty: 1.1, max_tokens: 12, seed: 0, stops: "The end\n\nOnce\\n" };
    await set(page, values);
    await page.reload();
    for (const [name, value] of Object.entries(values))
      assert.equal(await page.locator(`#${name}`).inputValue(), String(value), name);
    await ask(page, "Who are you?");
    const { path, body } = stage.requests[0];
    const { system, stops, ...numbers } = values;
    assert.equal(path, "/v1/chat/completions");
    assert.deepEqual(body, { model: "scripted", stream: true, ...numbers,
      stop: ["The end", "Once\n"],
      stream_options: { include_usage: true, continuous_usage_stats: true },
      messages: [{ role: "system", content: system }, { role: "user", content: "Who are you?" }] });
    await page.getByRole("button", { name: "Settings" }).click();
    await page.fill("#temperature", "-1");
    await page.getByRole("button", { name: "Done" }).click();
    assert.ok(await page.locator("#settings").isVisible(), "a wrong number is taken");
    await page.getByRole("button", { name: "Reset" }).click();
    await page.getByRole("button", { name: "Done" }).click();
    await ask(page, "And now?");
    assert.deepEqual(Object.keys(stage.requests[1].body).sort(),
      ["messages", "model", "stream", "stream_options"]);
    assert.equal(await page.locator("#temperature").getAttribute("placeholder"), "0.25");
  },

  async "thoughts are folded before the answer, and told again"({ browser, stage }) {
    stage.play = async (answer) => {
      for (const word of ["I ", "add."]) answer.thought(word);
      answer.token("Four.");
      answer.end();
    };
    const page = await browser.open(stage.url);
    assert.equal(await ask(page, "2+2?"), "Four.");
    const thoughts = page.locator(".turn.assistant .thoughts");
    assert.ok(!await thoughts.isVisible(), "they are not folded");
    await page.getByText("Thoughts").click();
    assert.equal(await thoughts.textContent(), "I add.");
    await page.reload();
    stage.play = saying("Five.");
    await ask(page, "2+3?");
    assert.deepEqual(stage.requests[1].body.messages[1],
      { role: "assistant", content: "Four.", reasoning_content: "I add." });
  },

  async "a refusal is shown, and the question can be asked again"({ browser, stage }) {
    stage.play = (answer) => answer.error(400, "'top_k': expected -1 to 7");
    const page = await browser.open(stage.url);
    await ask(page, "One");
    assert.equal(await errorOf(page), "'top_k': expected -1 to 7");
    stage.play = saying("Fine");
    await page.getByRole("button", { name: "Try again" }).click();
    await page.getByText("Fine").waitFor();
    assert.equal(await page.locator(".error").count(), 0);
    assert.deepEqual(stage.requests[1].body.messages, [{ role: "user", content: "One" }]);
  },

  async "answers leave room in the context, unless the user says otherwise"({ browser, stage }) {
    const kTooLong = { code: "context_length_exceeded" };
    stage.models = [model({ meta: { ...model().meta, n_ctx: 100_000 } })];
    stage.play = async (answer) => { answer.token("Yes"); answer.end("length"); };
    const page = await browser.open(stage.url);
    const limit = (value) => page.getAttribute("#max_tokens", "placeholder")
      .then((text) => assert.equal(text, value));
    await limit("1024");
    await ask(page, "One");
    assert.match(await facts(page), /the context is full$/);  // for the answer is shorter
    stage.models = [model({ meta: { ...model().meta, n_ctx: 30 } })];
    await page.reload();
    await page.waitForFunction(() => document.title !== "bitnetc");
    await limit("8");
    // Where these do not fit, as many as do.
    stage.requests = [];
    stage.play = async (answer, { body }) => {
      if (body.max_tokens !== undefined) return answer.error(400, "8 are too many", kTooLong);
      return saying("Yes")(answer);
    };
    assert.equal(await ask(page, "Two"), "Yes");
    assert.deepEqual(stage.requests.map(({ body }) => body.max_tokens), [8, undefined]);
    // What the user has chosen is asked for as it is.
    await set(page, { max_tokens: 20 });
    await ask(page, "Three");
    assert.equal(await errorOf(page),
      "8 are too many. Begin a new conversation, or set fewer most tokens.");
    assert.equal(stage.requests.length, 3);
    assert.ok(await page.getByRole("button", { name: "New", exact: true }).isVisible());
    await set(page, { max_tokens: "" });
    await page.getByRole("button", { name: "Try again" }).click();
    await page.locator(".error").waitFor({ state: "detached" });
    await answered(page);
    assert.equal((await texts(page)).at(-1), "Yes");
    // A prompt of 7 tokens and a text of 24 fill 30 positions: the last token takes none.
    for (const [most, end] of [[23, "most tokens reached"], [24, "the context is full"]]) {
      stage.play = async (answer) => {
        for (let i = 0; i < most; ++i) answer.token("word ");
        answer.end("length");
      };
      await set(page, { max_tokens: most });
      await ask(page, "Four");
      assert.ok((await facts(page)).endsWith(end), end);
    }
  },

  async "what failed is not told to the model"({ browser, stage }) {
    stage.play = (answer) => answer.error(500, "no");
    const page = await browser.open(stage.url);
    await ask(page, "One");
    stage.play = saying("Fine");
    await ask(page, "Two");
    assert.deepEqual(stage.requests[1].body.messages, [{ role: "user", content: "Two" }]);
  },

  async "an error in the middle of a stream is shown"({ browser, stage }) {
    stage.play = async (answer) => {
      for (const word of ["Once ", "upon ", "a "]) answer.token(word);
      answer.event({ error: { message: "logits that are not finite", type: "server_error" } });
      // Chromium may lose what comes at once before a break, which is another case.
      await pause(50);
      await answer.break();
    };
    const page = await browser.open(stage.url);
    assert.equal(await ask(page, "Tell"), "Once upon a");
    assert.equal(await errorOf(page), "logits that are not finite");
  },

  async "a broken connection is shown"({ browser, stage }) {
    stage.play = async (answer) => {
      answer.token("Once ");
      await pause(50);
      await answer.break();
    };
    const page = await browser.open(stage.url);
    assert.equal(await ask(page, "Tell"), "Once");
    assert.match(await errorOf(page), kBroken);
    // A stream that ends as if all were well, but without its last word.
    stage.play = (answer) => { answer.token("Once "); answer.response.end(); };
    await ask(page, "Tell");
    assert.match(await page.locator(".error").last().textContent(), kBroken);
    await stage.close();
    await ask(page, "Tell");
    const last = await page.locator(".error").last().textContent();
    assert.equal(last, "The server cannot be reached.");
  },

  async "a server that is loading is asked again"({ browser, stage }) {
    stage.play = saying("Here I am");
    stage.loads = 2;
    const page = await browser.open(stage.url, { waits: false });
    await page.getByText("the model is being loaded").waitFor();
    await page.getByText("Say something to scripted").waitFor();
    assert.equal(await status(page), "");
    stage.loads = 2;
    await begin(page, "Hello");
    await page.getByText("the model is being loaded").waitFor();
    assert.match(await status(page), /asking again/);
    await page.getByText("Here I am").waitFor();
    assert.equal(stage.requests.length, 1);
    stage.loads = 1000;
    await begin(page, "Hello");
    await page.getByText("the model is being loaded").waitFor();
    await page.keyboard.press("Escape");
    await answered(page);
    assert.match(await facts(page), /stopped$/);
  },

  async "a long answer is shown as fast as it comes"({ browser, stage }) {
    const words = Array.from({ length: 8000 }, (_, i) => `word${i}${i % 50 ? " " : "\n\n"}`);
    stage.play = async (answer) => {
      for (const word of words) answer.token(word);
      answer.end();
    };
    const page = await browser.open(stage.url);
    assert.equal(await ask(page, "Much"), words.join("").trim());  // in the time that anything has
    assert.match(await facts(page), /^8000 tokens · /);
  },

  async "an answer says that there is no chat template"({ browser, stage }) {
    stage.models = [{ id: "scripted" }];
    stage.play = async (answer, { path }) => {
      if (path === "/v1/chat/completions")
        return answer.error(400, "the model has no chat template", { code: "no_chat_template" });
      answer.token(" more", { isPlain: true });
      return answer.end();
    };
    const page = await browser.open(stage.url);
    assert.equal(await page.locator("#mode").isVisible(), false);
    assert.equal(await ask(page, "Some"), " more");
    assert.match(await page.locator("#mode").textContent(), /^Plain completion/);
    assert.equal(stage.requests[1].body.prompt, "Some");
  },

  async "a text encoder is not asked"({ browser, stage }) {
    stage.models = [model({ meta: { has_chat_template: false, is_text_encoder: true } })];
    const page = await browser.open(stage.url);
    assert.match(await page.locator("#mode").textContent(), /text encoder/);
    assert.ok(await page.locator("#input").isDisabled());
  },

  async "one of several models is chosen"({ browser, stage }) {
    stage.models = [model(), model({ id: "other" })];
    stage.play = saying("Yes");
    const page = await browser.open(stage.url);
    await page.getByLabel("Model").selectOption("other");
    await ask(page, "Hello");
    assert.equal(stage.requests[0].body.model, "other");
  },

  async "no rate is told of what arrived at once"({ browser, stage }) {
    stage.play = (answer) => { for (const word of ["a ", "b "]) answer.token(word); answer.end(); };
    const page = await browser.open(stage.url);
    await ask(page, "Tell");
    assert.equal(await facts(page), "2 tokens · prompt 7 (3 cached)");
  },

  async "markup stays text, whoever says it"({ browser, stage }) {
    const markup = `<img src=x onerror="window.hacked = 1"><script>window.hacked = 2</script>` +
      `<svg onload="window.hacked = 3"><a href="javascript:window.hacked = 4">&lt;x&gt;</a>`;
    stage.models = [model({ id: markup })];
    stage.play = saying(markup.slice(0, 20), markup.slice(20));
    const page = await browser.open(stage.url);
    const inserted = () => page.evaluate(() => document.querySelectorAll(
      "#log :is(img, script, svg, a), option *, .error *, #status *").length);
    assert.equal(await ask(page, markup), markup);
    assert.deepEqual(await texts(page), [markup, markup]);
    stage.play = (answer) => answer.error(400, markup);
    await ask(page, "again");
    assert.equal(await errorOf(page), markup);
    assert.equal(await page.locator("#model").locator("option").textContent(), markup);
    await page.reload();  // from what the tab keeps
    assert.equal((await texts(page))[1], markup);
    assert.equal(await inserted(), 0);
    assert.equal(await page.evaluate(() => window.hacked), undefined);
    // And the browser would not let the page do otherwise.
    assert.match(await page.evaluate(() => {
      try {
        document.querySelector("#log").innerHTML = "<b>x</b>";
      } catch (error) {
        return error.name;
      }
      return "markup was made of a text";
    }), /TypeError/);
    browser.complaints = browser.complaints.filter((each) => !/TrustedHTML/.test(each));
  },

  async "an earlier message is written anew"({ browser, stage }) {
    stage.play = saying("Yes");
    const page = await browser.open(stage.url);
    for (const text of ["One", "Two", "Three"]) await ask(page, text);
    const all = ["One", "Yes", "Two", "Yes", "Three", "Yes"];
    const [input, edit] = [page.locator("#input"), page.getByRole("button", { name: "Edit" })];
    await input.fill("a draft");
    // Nothing is gone until it is sent: Escape, the same button, a reload.
    for (const leave of [() => page.keyboard.press("Escape"),
      () => page.getByRole("button", { name: "Cancel" }).click()]) {
      await edit.nth(1).click();
      assert.equal(await input.inputValue(), "Two");
      assert.equal(await page.evaluate(() => document.activeElement.id), "input");
      assert.match(await status(page), /replaces the message and all behind it/);
      assert.deepEqual(await page.locator(".replaced .text").allTextContents(), all.slice(2));
      await leave();
      assert.equal(await input.inputValue(), "a draft");
      assert.equal(await page.locator(".replaced").count(), 0);
    }
    await edit.nth(1).click();
    await page.reload();
    assert.deepEqual(await texts(page), all);
    await input.fill("a draft");
    await edit.nth(2).click();
    await edit.nth(0).click();
    await page.getByRole("button", { name: "Cancel" }).click();
    assert.equal(await input.inputValue(), "a draft");
    await edit.nth(1).click();
    await ask(page, "Two, anew");
    assert.deepEqual(await texts(page), ["One", "Yes", "Two, anew", "Yes"]);
    assert.equal(await input.inputValue(), "a draft");
    assert.deepEqual(stage.requests.at(-1).body.messages.map(({ content }) => content),
      ["One", "Yes", "Two, anew"]);
    // None while an answer is written; a new conversation ends it.
    stage.play = babbling;
    await begin(page, "Go on for ever");
    await page.locator("#stop").waitFor();
    assert.equal(await edit.count(), 0);
    await page.keyboard.press("Escape");
    await answered(page);
    await edit.nth(0).click();
    await page.getByRole("button", { name: "New conversation" }).click();
    assert.equal(await input.inputValue(), "");
    stage.play = saying("Here");
    await ask(page, "Fresh");
    assert.deepEqual(await texts(page), ["Fresh", "Here"]);
  },

  async "a new answer, a new conversation, and one that survives a reload"({ browser, stage }) {
    stage.play = saying("First");
    const page = await browser.open(stage.url);
    await ask(page, "Question");
    await page.getByRole("button", { name: "Regenerate" }).click();
    await page.getByText("the same as before").waitFor();
    stage.play = saying("Second");
    await page.getByRole("button", { name: "Regenerate" }).click();
    await page.getByText("Second").waitFor();
    assert.deepEqual(stage.requests[2].body.messages, [{ role: "user", content: "Question" }]);
    await answered(page);
    await page.reload();
    assert.deepEqual(await texts(page), ["Question", "Second"]);
    await page.getByRole("button", { name: "New conversation" }).click();
    assert.deepEqual(await texts(page), []);
    await ask(page, "Another");
    assert.deepEqual(stage.requests[3].body.messages, [{ role: "user", content: "Another" }]);
    // In the middle of an answer.
    stage.play = babbling;
    await begin(page, "Go on for ever");
    await page.locator("#stop").waitFor();
    await page.getByRole("button", { name: "New conversation" }).click();
    stage.play = saying("Here");
    assert.equal(await ask(page, "Fresh"), "Here");
    assert.deepEqual(await texts(page), ["Fresh", "Here"]);
  },
};
