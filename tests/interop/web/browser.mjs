// The page in Chromium: how it is opened, watched and used.
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const kMost = 60_000;  // ms that anything may take, also on a machine that is busy

// Chromium's sandbox does not run for root.
const isRoot = process.getuid() === 0;

export class Browser {
  asked = [];     // addresses of all requests, with the origin of the page that sent them
  complaints = [];  // what the console and the script said that no test expects

  static async start() {
    const browser = new Browser();
    browser.chromium = await chromium.launch({ executablePath: process.env.INTEROP_CHROMIUM,
      args: isRoot ? ["--no-sandbox"] : [] });
    return browser;
  }
  close() { return this.chromium.close(); }

  // The page of a server, once it knows the model, in a profile of its own.
  async open(url, { waits = true, ...options } = {}) {
    const context = await this.chromium.newContext(
      { viewport: { width: 1000, height: 760 }, ...options });
    context.setDefaultTimeout(kMost);
    const page = await context.newPage();
    page.on("request", (request) =>
      this.asked.push({ url: request.url(), origin: new URL(url).origin }));
    page.on("pageerror", (error) => this.complaints.push(String(error)));
    page.on("console", (message) => {
      // Chromium says every status from 400 on, and each connection that breaks.
      const isExpected = /^Failed to load resource/.test(message.text()) ||
        (message.type() === "error" && /network error/.test(message.text()));
      if (!isExpected && ["error", "warning"].includes(message.type()))
        this.complaints.push(message.text());
    });
    await page.goto(`${url}/`);
    if (waits) await page.waitForFunction(() => document.title !== "bitnetc");
    return page;
  }
}

// ---- what the user does and sees

export const status = (page) => page.locator("#status").textContent();
export const errorOf = (page) => page.locator(".error").textContent();
export const facts = async (page) =>
  (await page.locator(".facts").last().textContent()).replaceAll("\u00a0", " ");
export const texts = (page) => page.locator(".turn .text").allTextContents();
export const answered = (page) => page.locator("#send").waitFor({ state: "visible" });

export async function begin(page, text) {
  await page.fill("#input", text);
  await page.press("#input", "Enter");
}

// Sends a text and returns the answer when it has ended.
export async function ask(page, text) {
  await begin(page, text);
  await page.locator("#stop").waitFor({ state: "hidden" });
  await answered(page);
  return (await texts(page)).at(-1);
}

export async function set(page, values) {
  await page.getByRole("button", { name: "Settings" }).click();
  for (const [name, value] of Object.entries(values)) await page.fill(`#${name}`, String(value));
  await page.getByRole("button", { name: "Done" }).click();
}

export async function assertNoSidewaysScroll(page, what) {
  const [wide, seen] = await page.evaluate(() =>
    [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  assert.ok(wide <= seen, `${what}: ${wide} px wide in a window of ${seen}`);
}

// Every text that is seen with the contrast between its colour and what is behind it, by the
// formula of WCAG 2; placeholders too.
export function contrasts(page) {
  return page.evaluate(() => {
    const parse = (text) => {
      const [r, g, b, alpha = 1] = text.match(/[\d.]+/g).map(Number);
      return { rgb: [r, g, b], alpha };
    };
    const luminance = ({ rgb }) => {
      const [r, g, b] = rgb.map((value) => {
        const share = value / 255;
        return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
      for (let each = element; each; each = each.parentElement) {
        const colour = parse(getComputedStyle(each).backgroundColor);
        if (colour.alpha === 1) return colour;
        if (colour.alpha !== 0) throw new Error(`a background is half transparent`);
      }
      throw new Error("nothing is behind a text");
    };
    const found = [];
    const add = (element, colour, text) => {
      const [dark, light] = [luminance(parse(colour)), luminance(behind(element))].sort(
        (a, b) => a - b);
      found.push({ text: text.trim().slice(0, 40), ratio: (light + 0.05) / (dark + 0.05) });
    };
    for (const element of document.querySelectorAll("body *")) {
      const style = getComputedStyle(element);
      if (!element.checkVisibility() || style.clipPath !== "none") continue;
      const text = [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE)
        .map((node) => node.data).join("");
      if (text.trim()) add(element, style.color, text);
      if (element.placeholder && !element.value)
        add(element, getComputedStyle(element, "::placeholder").color, element.placeholder);
    }
    return found;
  });
}
