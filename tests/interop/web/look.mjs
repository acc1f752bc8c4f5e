// How the page looks, in narrow windows and in the dark, and how it is used without a mouse.
import assert from "node:assert/strict";
import path from "node:path";
import { answered, ask, assertNoSidewaysScroll, begin, contrasts } from "./browser.mjs";
import { babbling, model, pause, saying } from "./stage.mjs";

const kLeastContrast = 4.5;
const kLongWord = "Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz".repeat(4);

// A conversation with all that a turn can have; ends with an error.
async function converse(page, stage) {
  stage.play = saying("Once ", "upon ", "a ", "time\n\n", "there was a king.");
  await ask(page, "Tell me something.");
  stage.play = async (answer) => {
    answer.token("Once ");
    answer.event({ error: { message: "logits that are not finite" } });
    await pause(50);
    await answer.break();
  };
  await ask(page, "And then?\nAnd then?");
}

async function assertContrast(page, what) {
  const found = await contrasts(page);
  assert.ok(found.length > 3, `${what}: texts were not found`);
  for (const { text, ratio } of found)
    assert.ok(ratio >= kLeastContrast, `${what}: "${text}" has a contrast of ${ratio.toFixed(2)}`);
}

const background = (page) =>
  page.evaluate(() => getComputedStyle(document.body).backgroundColor);

// What has the focus, and whether that can be seen: an outline, or of the box around it a shadow.
const focused = (page) => page.evaluate(() => {
  const element = document.activeElement;
  const { outlineStyle, outlineWidth } = getComputedStyle(element);
  const box = element.closest("#composer");
  const isSeen = (outlineStyle !== "none" && parseFloat(outlineWidth) >= 2) ||
    (element.id === "input" && getComputedStyle(box).boxShadow !== "none");
  return { name: element.id || element.textContent, isSeen };
});

export const lookCases = {
  async "nothing is wider than 360 pixels"({ browser, stage, work }) {
    const page = await browser.open(stage.url, { viewport: { width: 360, height: 640 } });
    await assertNoSidewaysScroll(page, "the empty page");
    await converse(page, stage);
    await page.screenshot({ path: path.join(work, "page-360.png") });
    stage.play = saying(kLongWord, " ", kLongWord);
    await ask(page, kLongWord);
    await page.fill("#input", kLongWord);
    await assertNoSidewaysScroll(page, "a long word");
    stage.models = [model({ id: kLongWord })];
    await page.reload();
    await page.waitForFunction(() => document.title !== "bitnetc");
    await assertNoSidewaysScroll(page, "a long name");
    for (const name of ["New conversation", "Settings"]) {
      const box = await page.getByRole("button", { name }).boundingBox();
      assert.ok(box.x >= 0 && box.x + box.width <= 360, `${name} is outside`);
    }
    await page.getByRole("button", { name: "Settings" }).click();
    await assertNoSidewaysScroll(page, "settings");
    const dialog = await page.getByRole("dialog").boundingBox();
    assert.ok(dialog.x >= 0 && dialog.x + dialog.width <= 360, "settings are outside");
    await page.screenshot({ path: path.join(work, "page-360-settings.png") });
  },

  async "texts can be read by day and by night"({ browser, stage, work }) {
    const seen = new Set();
    for (const colorScheme of ["light", "dark"]) {
      stage.models = [model()];
      const page = await browser.open(stage.url, { colorScheme });
      seen.add(await background(page));
      await assertContrast(page, `${colorScheme}, empty`);
      await converse(page, stage);
      await assertContrast(page, `${colorScheme}, conversation`);
      await page.screenshot({ path: path.join(work, `page-${colorScheme}.png`) });
      stage.play = babbling;
      await begin(page, "Go on");
      await page.locator("#stop").waitFor();
      await assertContrast(page, `${colorScheme}, answering`);
      await page.keyboard.press("Escape");
      await answered(page);
      await page.getByRole("button", { name: "Settings" }).click();
      await assertContrast(page, `${colorScheme}, settings`);
      await page.getByRole("button", { name: "API key" }).click();
      await assertContrast(page, `${colorScheme}, key`);
      stage.models = [model({ meta: { has_chat_template: false } })];
      await page.reload();
      await page.locator("#mode").waitFor();
      await assertContrast(page, `${colorScheme}, plain completion`);
    }
    assert.equal(seen.size, 2, "day and night look alike");
  },

  async "the keyboard is enough"({ browser, stage }) {
    stage.play = saying("Yes");
    const page = await browser.open(stage.url);
    const { keyboard } = page;
    await keyboard.type("One");
    await keyboard.press("Shift+Enter");
    await keyboard.type("Two");
    assert.equal(stage.requests.length, 0);
    await keyboard.press("Enter");
    await page.getByText("Yes").waitFor();
    await answered(page);
    assert.equal(stage.requests[0].body.messages[0].content, "One\nTwo");

    const passed = [];
    for (let i = 0; i < 8; ++i) {
      await keyboard.press("Shift+Tab");
      const { name, isSeen } = await focused(page);
      assert.ok(isSeen, `the focus on ${name} cannot be seen`);
      passed.push(name);
      if (name === "new") break;
    }
    assert.deepEqual(passed, ["Regenerate", "Copy", "Edit", "settings-button", "new"]);
    await keyboard.press("Tab");
    await keyboard.press("Enter");
    await page.getByRole("dialog", { name: "Settings" }).waitFor();
    for (const name of ["temperature", "top_p", "top_k", "min_p", "repeat_penalty", "max_tokens",
      "seed", "stops"]) {
      await keyboard.press("Tab");
      assert.deepEqual(await focused(page), { name, isSeen: true });
    }
    await keyboard.press("Shift+Tab");
    await keyboard.type("7");
    await keyboard.press("Escape");
    assert.equal((await focused(page)).name, "settings-button");
    await page.focus("#input");

    stage.play = babbling;
    await keyboard.type("Go on");
    await keyboard.press("Enter");
    await page.getByText("word5").waitFor();
    assert.equal(stage.requests.at(-1).body.seed, 7);
    await keyboard.type("not yet");
    await keyboard.press("Enter");  // sends nothing while an answer is written, and keeps the draft
    await keyboard.press("Escape");
    await answered(page);
    assert.equal(await page.inputValue("#input"), "not yet");
    assert.equal(stage.requests.length, 2);
    assert.deepEqual(await focused(page), { name: "input", isSeen: true });
  },

  async "what assistive technology is told"({ browser, stage }) {
    stage.play = saying("Yes");
    const page = await browser.open(stage.url);
    await ask(page, "Hello");
    const log = page.getByRole("log", { name: "Conversation" });
    assert.equal(await log.getAttribute("aria-live"), "polite");
    assert.equal(await log.getAttribute("aria-busy"), "false");
    assert.deepEqual(await log.getByRole("heading").allTextContents(), ["You", "Model"]);
    assert.equal(await page.getByRole("textbox", { name: "Message" }).count(), 1);
    assert.equal(await page.getByRole("status").count(), 1);
    await page.getByRole("button", { name: "Settings" }).click();
    for (const name of ["System prompt", "Temperature", "Top p", "Top k", "Min p",
      "Repeat penalty", "Most tokens", "Seed", "Stop texts"])
      assert.ok(await page.getByLabel(name, { exact: true }).isVisible(), name);
    await page.getByRole("button", { name: "Done" }).click();
    stage.play = babbling;
    await begin(page, "Go on");
    await page.locator("#log[aria-busy=true]").waitFor();
    await page.keyboard.press("Escape");
    await page.locator("#log[aria-busy=false]").waitFor();
  },

  async "the end stays in view, unless the user has gone up"({ browser, stage }) {
    stage.play = babbling;
    const page = await browser.open(stage.url, { viewport: { width: 400, height: 400 } });
    const below = () => page.evaluate(() =>
      document.documentElement.scrollHeight - window.scrollY - window.innerHeight);
    await begin(page, "Go on for ever");
    await page.waitForFunction(() => document.documentElement.scrollHeight > 900);
    assert.ok(await below() < 60, "the end is out of view");
    await page.mouse.wheel(0, -400);
    await page.waitForFunction(() => document.documentElement.scrollHeight > 1500);
    assert.ok(await below() > 300, "the page scrolls under the reader");
    await page.keyboard.press("Escape");
    await answered(page);
  },
};
