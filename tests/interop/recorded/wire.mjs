// A connection whose bytes a test decides, and answers of HTTP/1 as they stand on the wire.
import net from "node:net";
import { need } from "./shape.mjs";

const kSeconds = 60;  // that an answer may keep silent
const kHeadEnd = Buffer.from("\r\n\r\n"), kLineEnd = Buffer.from("\r\n");

export class Connection {
  // `place`: a port of this machine or the path of a Unix socket.
  static async open(place) {
    const connection = new Connection();
    const isPort = typeof place === "number";
    connection.socket = net.connect({ allowHalfOpen: true,
      ...(isPort ? { port: place, host: "127.0.0.1" } : { path: place }) });
    connection.there = Buffer.alloc(0);  // that came and was not read
    connection.hasEnded = false;
    connection.wake = () => {};
    connection.socket.setTimeout(kSeconds * 1000, () => connection.abort());
    connection.socket.on("data", (bytes) => {
      connection.there = Buffer.concat([connection.there, bytes]);
      connection.wake();
    });
    for (const event of ["end", "close", "error"])
      connection.socket.on(event, () => { connection.hasEnded = true; connection.wake(); });
    await new Promise((resolve, reject) =>
      connection.socket.once("connect", resolve).once("error", reject));
    return connection;
  }

  send(bytes) { this.socket.write(bytes); }
  endSending() { this.socket.end(); }
  close() { this.socket.destroy(); }
  abort() { this.socket.resetAndDestroy(); }

  // Whether `holds()` came true, within `seconds` if they are given, before the connection ended.
  async until(holds, seconds) {
    const end = seconds === undefined ? Infinity : Date.now() + seconds * 1000;
    while (!holds() && !this.hasEnded && Date.now() < end) {
      let timer;
      await new Promise((resolve) => {
        this.wake = resolve;
        if (seconds !== undefined) timer = setTimeout(resolve, end - Date.now());
      });
      clearTimeout(timer);
    }
    return holds();
  }

  // Bytes up to `mark`, which is read and left out.
  async readTo(mark, what) {
    need(await this.until(() => this.there.includes(mark)),
      `the connection ended before ${what}: ${this.there.subarray(0, 60)}`);
    const at = this.there.indexOf(mark);
    const bytes = this.there.subarray(0, at);
    this.there = this.there.subarray(at + mark.length);
    return bytes;
  }

  async read(count, what) {
    need(await this.until(() => this.there.length >= count), `the connection ended inside ${what}`);
    const bytes = this.there.subarray(0, count);
    this.there = this.there.subarray(count);
    return bytes;
  }

  // Status line and headers (names in lower case) of what comes next, an interim answer or another.
  async readHead() {
    const head = await this.readTo(kHeadEnd, "an answer's head");
    const lines = head.toString("latin1").split("\r\n");
    const status = /^HTTP\/(1\.[01]) (\d{3}) /.exec(`${lines[0]} `);
    need(status, `a status line is ${JSON.stringify(lines[0])}`);
    const headers = {};
    for (const line of lines.slice(1)) {
      const colon = line.indexOf(":");
      need(colon > 0, `a header is ${JSON.stringify(line)}`);
      const name = line.slice(0, colon).toLowerCase();
      need(!(name in headers), `the header ${name} stands twice`);
      headers[name] = line.slice(colon + 1).trim();
    }
    return { version: status[1], status: Number(status[2]), headers };
  }

  // The next answer that is not interim. How its end is told: "length", "chunks", "close", "none".
  async readAnswer(method) {
    let answer;
    do answer = await this.readHead(); while (answer.status < 200);
    const { headers } = answer;
    need(!(headers["content-length"] && headers["transfer-encoding"]), "an answer has two lengths");
    if (method === "HEAD" || answer.status === 204 || answer.status === 304) {
      Object.assign(answer, { end: "none", body: Buffer.alloc(0) });
    } else if (headers["transfer-encoding"] === "chunked") {
      Object.assign(answer, { end: "chunks", body: await this.readChunks() });
    } else if (headers["content-length"] !== undefined) {
      const count = Number(headers["content-length"]);
      Object.assign(answer, { end: "length", body: await this.read(count, "a body") });
    } else {
      await this.until(() => false);
      Object.assign(answer, { end: "close", body: await this.read(this.there.length, "a body") });
    }
    const connection = (headers.connection ?? "").toLowerCase();
    answer.keeps = answer.end !== "close" && connection !== "close" &&
      (answer.version === "1.1" || connection === "keep-alive");
    return answer;
  }

  async readChunks() {
    const chunks = [];
    for (;;) {
      const size = (await this.readTo(kLineEnd, "a chunk's size")).toString("latin1");
      need(/^[0-9a-fA-F]+$/.test(size), `a chunk's size is ${JSON.stringify(size)}`);
      const count = parseInt(size, 16);
      chunks.push(await this.read(count, "a chunk"));
      need((await this.read(2, "a chunk")).equals(kLineEnd), "no end of line behind a chunk");
      if (count === 0) return Buffer.concat(chunks);
    }
  }
}
