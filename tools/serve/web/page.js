// The page that bitnetc serves: a conversation over the routes of OpenAI's protocol. Texts of the
// model and of the server become text nodes, never markup. Addresses are relative, so that the page
// works behind a proxy that serves it in a folder.

const $ = (id) => document.getElementById(id);
const kNumbers =
  ["temperature", "top_p", "top_k", "min_p", "repeat_penalty", "max_tokens", "seed"];
const kNoTemplate = "no_chat_template";
const kTooLong = "context_length_exceeded";
const kMostTokens = 1024;  // of an answer, unless the user says otherwise
const kDrawMs = 40;
const kBroken = "The connection broke before the answer was whole.";

// ---- what the browser keeps: settings, and for this tab the conversation and the key

function recall(storage, name, otherwise) {
  try {
    return JSON.parse(window[storage].getItem(`bitnetc.${name}`)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

function keep(storage, name, value) {
  try {
    window[storage].setItem(`bitnetc.${name}`, JSON.stringify(value));
  } catch { /* A browser that keeps nothing: the page works until it is left. */ }
}

let settings = recall("localStorage", "settings", {});
let key = recall("sessionStorage", "key", "");
// {role: "user" or "assistant", text}; an answer also has facts, and perhaps what was thought
// before it and an error. Facts: isFull, nothing more fits in the context; isRefused, what was
// asked for does not; most, the tokens that were allowed.
let turns = recall("sessionStorage", "turns", []);
let models = [];
let lacksTemplate = false;  // as an answer has said
let writesOn = false;       // without a chat template: the model continues a text
let running = null;         // aborts the answer that is being written
let edited = null;          // a turn of the user whose text is in the input
let draft = "";             // what was in the input before

// ---- requests

class Refusal extends Error {
  constructor(message, code) {
    super(message);
    this.code = code;
  }
}

const say = (text) => { $("status").textContent = text; };

async function refusalOf(response) {
  const body = await response.json().catch(() => ({}));
  return new Refusal(body.error?.message ?? `The server answers ${response.status}.`,
    body.error?.code);
}

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    const leave = () => { clearTimeout(timer); reject(signal.reason); };
    signal?.addEventListener("abort", leave, { once: true });
  });
}

// An answer that is no error. Asks for a key where one is needed, and again where the server says
// that it will be there later.
async function request(path, { body, signal } = {}) {
  for (;;) {
    const headers = {};
    if (body) headers["content-type"] = "application/json";
    if (key) headers.authorization = `Bearer ${key}`;
    const shown = key;
    const response = await fetch(path, {
      method: body ? "POST" : "GET", headers, signal, body: body && JSON.stringify(body),
    }).catch((error) => {
      throw signal?.aborted ? error : new Refusal("The server cannot be reached.");
    });
    if (response.ok) return response;
    const refusal = await refusalOf(response);
    const wait = Number(response.headers.get("retry-after"));
    if (response.status === 401 && (key !== shown || await askForKey(refusal.message))) continue;
    if (![429, 503].includes(response.status) || !wait) throw refusal;
    say(`${refusal.message} – asking again`);
    await pause(wait, signal);
    say("");
  }
}

// The data of the events of a stream. Read by hand: pipes drop what they hold when it breaks.
async function* eventsOf(response) {
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + decoder.decode(value, { stream: true })).split("\n\n");
    rest = parts.pop();
    for (const part of parts)
      if (part.startsWith("data: ")) yield part.slice("data: ".length);
  }
}

let keyDialog = null;  // while it is open: whether a key was given

function askForKey(reason) {
  return keyDialog ??= new Promise((resolve) => {
    $("key-reason").textContent = reason;
    $("key").value = key;
    $("key-dialog").returnValue = "";
    $("key-dialog").addEventListener("close", () => {
      keyDialog = null;
      const isGiven = $("key-dialog").returnValue === "given";
      if (isGiven) keep("sessionStorage", "key", key = $("key").value.trim());
      resolve(isGiven);
    }, { once: true });
    $("key-dialog").showModal();
    $("key").select();
  });
}

// ---- the conversation as it is seen

function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

const isAtEnd = () =>
  document.documentElement.scrollHeight - window.scrollY - window.innerHeight < 60;
const goToEnd = () => window.scrollTo(0, document.documentElement.scrollHeight);

function factsOf({ usage, rate, end }) {
  const facts = [];
  if (usage) {
    const { prompt_tokens: prompt, completion_tokens: written } = usage;
    const cached = usage.prompt_tokens_details?.cached_tokens;
    facts.push(`${written} ${written === 1 ? "token" : "tokens"}`);
    if (rate) facts.push(`${rate.toFixed(rate < 100 ? 1 : 0)} per second`);
    facts.push(`prompt ${prompt}${cached ? ` (${cached} cached)` : ""}`);
  }
  if (end) facts.push(end);
  // Lines end between facts alone.
  return facts.map((fact) => fact.replaceAll(" ", "\u00a0")).join(" · ");
}

function buttonsOf(turn) {
  const buttons = [];
  const add = (label, act) =>
    buttons.push(make("button", { type: "button", textContent: label, onclick: act }));
  if (turn.text && navigator.clipboard)
    add("Copy", () => navigator.clipboard.writeText(turn.text).then(() => say("Copied.")));
  if (turn !== turns.at(-1) || running) return buttons;
  const { isFull, isRefused } = turn.facts ?? {};
  if (turn.text || !isFull)
    add(turn.error && !turn.text ? "Try again" : "Regenerate", regenerate);
  if (writesOn && turn.text && !isFull) add("Continue", () => answer(turn));
  if (isFull || isRefused) add("New", beginAgain);
  return buttons;
}

const elements = new WeakMap();  // of turns

// What was thought stands folded before the answer, and stays as its reader has it.
function drawThoughts(element, { thoughts }) {
  if (!thoughts) return element.querySelector("details")?.remove();
  if (!element.querySelector("details"))
    element.querySelector(".text").before(make("details", {},
      make("summary", { textContent: "Thoughts" }), make("div", { className: "thoughts",
        dir: "auto" })));
  element.querySelector(".thoughts").textContent = thoughts.trim();
}

function drawEdit(element, turn) {
  if (!element.querySelector(".edit"))
    element.append(make("button", { type: "button", className: "edit" }));
  const button = element.querySelector(".edit");
  const isEdited = turn === edited;
  button.textContent = isEdited ? "Cancel" : "Edit";
  button.hidden = running !== null;
  button.onclick = () => edit(isEdited ? null : turn);
}

// Shows a turn as it is now.
function draw(turn) {
  const isUser = turn.role === "user";
  let element = elements.get(turn);
  if (!element) {
    element = make("article", { className: `turn ${turn.role}` },
      make("h2", { className: "unseen", textContent: isUser ? "You" : "Model" }),
      make("div", { className: "text", dir: "auto" }));
    elements.set(turn, element);
    $("log").append(element);
  }
  element.querySelector(".text").textContent = writesOn ? turn.text : turn.text.trim();
  element.classList.toggle("replaced", edited && turns.indexOf(turn) >= turns.indexOf(edited));
  if (isUser) return drawEdit(element, turn);
  drawThoughts(element, turn);
  const isWriting = running !== null && turn === turns.at(-1);
  element.ariaBusy = String(isWriting);
  element.querySelectorAll(".error, .foot").forEach((old) => old.remove());
  if (isWriting) return;
  if (turn.error) element.append(make("p", { className: "error", textContent: turn.error }));
  element.append(make("div", { className: "foot" },
    make("p", { className: "facts", textContent: factsOf(turn.facts ?? {}) }),
    make("div", { className: "buttons" }, ...buttonsOf(turn))));
}

function drawAll() {
  $("welcome").hidden = turns.length > 0;
  for (const turn of turns) draw(turn);
}

const chosenModel = () => models.find((each) => each.id === $("model").value);

// What leaves room for the next question; nothing while the context is not known.
function mostTokens() {
  const context = chosenModel()?.meta?.n_ctx;
  return context && Math.min(kMostTokens, Math.ceil(context / 4));
}

function drawMode() {
  const model = chosenModel();
  const isEncoder = model?.meta?.is_text_encoder ?? false;
  writesOn = lacksTemplate || model?.meta?.has_chat_template === false;
  document.body.classList.toggle("plain", writesOn);
  $("mode").hidden = !isEncoder && !writesOn;
  $("mode").textContent = isEncoder
    ? "This model is a text encoder: it makes vectors of texts (/v1/embeddings) and writes none."
    : "Plain completion: this model has no chat template, so it does not answer but continues " +
      "your text. To chat, serve it with a template, such as " +
      "--chat-template tools/examples/chat.jinja";
  if (model)
    $("greeting").textContent = writesOn ? `Begin a text, ${model.id} goes on`
      : `Say something to ${model.id}`;
  $("input").placeholder = writesOn ? "Once upon a time" : "Message";
  $("input-label").textContent = writesOn ? "Text to continue" : "Message";
  $("system-field").hidden = writesOn;
  $("max_tokens").placeholder = mostTokens() ?? "all that fit";
  $("welcome").hidden = isEncoder || turns.length > 0;
  $("input").disabled = $("send").disabled = isEncoder;
  document.title = model ? `${model.id} – bitnetc` : "bitnetc";
}

// ---- answers

// Of the question that is being answered and of those that have been; systems come first.
function messages() {
  const list = settings.system ? [{ role: "system", content: settings.system }] : [];
  for (const [i, { role, text, thoughts }] of turns.entries()) {
    const isAnswered = i === turns.length - 2 || turns[i + 1]?.text;
    if (role === "user" ? isAnswered : text)
      list.push({ role, content: text, reasoning_content: thoughts });
  }
  return list;
}

// All that has been written, each text of the user beginning a line.
function prompt() {
  return turns.reduce((all, { role, text }) =>
    role === "user" && all && !all.endsWith("\n") ? `${all}\n${text}` : all + text, "");
}

// One a line; a text may have line breaks of its own, written "\\n".
function stopTexts() {
  const lines = (settings.stops ?? "").split("\n").filter((line) => line.trim());
  return lines.length ? lines.map((line) => line.replaceAll("\\n", "\n")) : undefined;
}

function requestBody() {
  const body = { model: $("model").value || undefined, stream: true,
    stream_options: { include_usage: true, continuous_usage_stats: true } };
  for (const name of kNumbers) body[name] = settings[name];
  body.max_tokens ??= mostTokens();
  body.stop = stopTexts();
  return writesOn ? { ...body, prompt: prompt() } : { ...body, messages: messages() };
}

// Adds what an event says to a turn.
function take(turn, event) {
  const choice = event.choices?.[0];
  const { facts } = turn;
  turn.text += choice?.delta?.content ?? choice?.text ?? "";
  if (choice?.delta?.reasoning_content)
    turn.thoughts = (turn.thoughts ?? "") + choice.delta.reasoning_content;
  const tokens = event.usage?.completion_tokens;
  if (event.usage) facts.usage = event.usage;
  if (choice?.finish_reason === "length") {
    // The last token of a text takes no position until it is read.
    const isAtEnd = event.usage?.prompt_tokens + tokens > chosenModel()?.meta?.n_ctx;
    facts.isFull = !facts.most || tokens < facts.most || isAtEnd;
    facts.end = facts.isFull ? "the context is full" : "most tokens reached";
  }
  if (!tokens) return;
  const now = performance.now();
  facts.first ??= { tokens, now };
  if (now - facts.first.now > kDrawMs)  // not of what the browser read at once
    facts.rate = (tokens - facts.first.tokens) / (now - facts.first.now) * 1000;
}

// Laying out a long text takes longer than a token.
let isDrawing = false;
function drawSoon(turn) {
  if (isDrawing) return;
  isDrawing = true;
  setTimeout(() => {
    isDrawing = false;
    if (!running || turn !== turns.at(-1)) return;
    const follows = isAtEnd();
    draw(turn);
    $("counts").textContent = factsOf(turn.facts);
    if (follows) goToEnd();
  }, kDrawMs);
}

// The stream of an answer. The page's own limit may not fit behind the prompt: then the answer may
// go on to the end of the context. One that the user has chosen is refused.
async function open({ facts }, signal) {
  const path = writesOn ? "v1/completions" : "v1/chat/completions";
  const isChosen = settings.max_tokens !== undefined;
  const body = requestBody();
  for (;;) {
    facts.most = body.max_tokens;
    try {
      return await request(path, { body, signal });
    } catch (error) {
      if (error.code !== kTooLong || isChosen || !facts.most) throw error;
      body.max_tokens = undefined;
    }
  }
}

async function write(turn, signal) {
  const response = await open(turn, signal);
  for await (const data of eventsOf(response)) {
    if (data === "[DONE]") return;
    const event = JSON.parse(data);
    if (event.error) throw new Refusal(event.error.message, event.error.code);
    take(turn, event);
    drawSoon(turn);
  }
  throw new Refusal(kBroken);
}

function setRunning(controller) {
  running = controller;
  $("send").hidden = running !== null;
  $("stop").hidden = running === null;
  $("log").ariaBusy = String(running !== null);
  say("");
  $("counts").textContent = "";
}

function refuse(turn, { message, code }) {
  const { facts } = turn;
  turn.error = message;
  if (code !== kTooLong) return;
  facts.isRefused = true;
  facts.isFull = !facts.most;
  turn.error += facts.isFull ? ". Begin a new conversation."
    : ". Begin a new conversation, or set fewer most tokens.";
}

// Writes on what a turn holds.
async function answer(turn) {
  const controller = new AbortController();
  setRunning(controller);
  Object.assign(turn, { error: "", facts: {} });
  drawAll();
  goToEnd();
  $("input").focus();
  try {
    await write(turn, controller.signal);
  } catch (error) {
    if (controller.signal.aborted) turn.facts.end = "stopped";
    else if (error.code === kNoTemplate && !writesOn) return answerWithoutTemplate(turn);
    else if (error instanceof Refusal) refuse(turn, error);
    else {
      turn.error = kBroken;
      console.error(error);
    }
  }
  if (turn.former === turn.text && !turn.error) turn.facts.end = "the same as before";
  const follows = isAtEnd();
  if (running === controller) setRunning(null);
  if (turns.includes(turn)) drawAll();
  if (follows) goToEnd();
  if (models.length === 0 && !turn.error) loadModels();
  keepTurns();
}

function answerWithoutTemplate(turn) {
  lacksTemplate = true;
  drawMode();
  return answer(turn);
}

function keepTurns() {
  keep("sessionStorage", "turns", turns.map(({ role, text, thoughts, error, facts }) =>
    ({ role, text, thoughts, error, facts })));
}

function stop() {
  running?.abort();
  $("input").focus();
}

function regenerate() {
  const { text } = turns.at(-1);
  elements.get(turns.pop()).remove();
  turns.push({ role: "assistant", text: "", former: text });
  answer(turns.at(-1));
}

// Puts the text of a turn of the user into the input; once it is sent, it takes the place of that
// turn and of all behind it. Null: as it was before.
function edit(turn) {
  if (!edited) draft = $("input").value;
  edited = turn;
  setInput(turn ? turn.text : draft);
  $("input").focus();
  drawAll();
  say(turn ? "Sent, this replaces the message and all behind it." : "");
}

function send() {
  const text = $("input").value;
  if (running || !text.trim()) return;
  setInput(edited ? draft : "");
  if (edited)
    for (const turn of turns.splice(turns.indexOf(edited))) elements.get(turn).remove();
  edited = null;
  turns.push({ role: "user", text }, { role: "assistant", text: "" });
  answer(turns.at(-1));
}

function begin() {
  if (edited) edit(null);
  stop();
  setRunning(null);
  turns = [];
  keepTurns();
  $("log").replaceChildren();
  drawMode();
}

// Where a question was refused it is asked in the new conversation, unless another one is begun.
function beginAgain() {
  const { text, error } = turns.at(-1);
  if (error && !text && !$("input").value) setInput(turns.at(-2).text);
  begin();
}

// ---- what the user does

// As high as its text.
function fit() {
  const { style } = $("input");
  style.height = "auto";
  style.height = `${$("input").scrollHeight}px`;
}

function setInput(text) {
  $("input").value = text;
  fit();
}

function fillSettings() {
  for (const name of ["system", ...kNumbers, "stops"]) $(name).value = settings[name] ?? "";
}

function listen() {
  $("composer").addEventListener("submit", (event) => { event.preventDefault(); send(); });
  $("input").addEventListener("input", fit);
  $("input").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.isComposing || document.querySelector("dialog[open]"))
      return;
    if (running) stop();
    else if (edited) edit(null);
  });
  $("stop").addEventListener("click", stop);
  $("new").addEventListener("click", begin);
  $("model").addEventListener("change", drawMode);
  $("settings-button").addEventListener("click", () => $("settings").showModal());
  $("settings").addEventListener("input", ({ target }) => {
    if (!target.validity.valid) return;
    const value = target.type === "number" ? target.valueAsNumber : target.value;
    settings = { ...settings, [target.name]: value || value === 0 ? value : undefined };
    keep("localStorage", "settings", settings);
  });
  $("reset").addEventListener("click", () => {
    settings = {};
    keep("localStorage", "settings", settings);
    fillSettings();
  });
  $("key-button").addEventListener("click", async () => {
    $("settings").close();
    if (await askForKey("Requests show this key to the server.")) loadModels();
  });
  $("key-cancel").addEventListener("click", () => $("key-dialog").close());
  window.addEventListener("pagehide", keepTurns);
}

// ---- what the server says of itself

async function loadModels() {
  try {
    models = (await (await request("v1/models")).json()).data;
    const chosen = $("model").value;
    $("model").replaceChildren(...models.map(({ id }) => new Option(id, id, false, id === chosen)));
    $("model").disabled = models.length < 2;
    drawMode();
    const props = await (await request("props")).json();
    const defaults = props.default_generation_settings.params;
    for (const name of kNumbers) if (name in defaults) $(name).placeholder = defaults[name];
  } catch (error) {
    say(error.message);
  }
}

listen();
fillSettings();
drawAll();
drawMode();
loadModels();
