// Ask ragsite from a browser or from Node 20: no dependencies, no eval. Types: ragsite.d.ts.

export const KINDS = ["start", "stage", "sources", "delta", "citation", "restart", "claims", "done", "error"];
const PASSING = ["rate_limited", "overloaded", "database_unavailable"]; // nothing was begun
const SILENCE = 45_000; // ms; the server sends a comment every 15 seconds
const FIRST = 500, LONGEST = 15_000; // ms between two attempts
const EXPIRED = 4401, FOREIGN = 4403; // close codes: this credential would be refused again; this page, whatever it shows
const PING = 25_000, PONG = 10_000; // ms

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const backoff = (failed) => Math.min(LONGEST, FIRST * 2 ** failed) * (0.5 + Math.random() / 2);
const ends = (event) => event.type === "done" || event.type === "error";

/** The server refused. `code` never changes its meaning; `detail` is for people. */
export class ApiError extends Error {
  constructor({ status, code = "", detail = "The answer is not one of this API.", errors = {} }, headers) {
    super(`${status} ${code}: ${detail}`);
    Object.assign(this, { name: "ApiError", status, code, detail, errors });
    this.retryAfter = Number(headers?.get("Retry-After")) || null; // seconds
    this.requestId = headers?.get("X-Request-ID") ?? null;
  }
}

/** No answer came, or not all of it, and trying again did not help. */
export class ConnectionLost extends Error {
  name = "ConnectionLost";
}

/** What the events so far add up to. */
export class Answer {
  text = "";
  citations = [];
  conversationId = null;
  done = null;
  error = null;

  constructor(messageId = null, lastEventId = 0) {
    Object.assign(this, { messageId, lastEventId });
  }

  /** False for an event that was told before, or of a kind that this version does not know. */
  take(event, number) {
    if (number <= this.lastEventId) return false;
    this.lastEventId = number;
    if (event.type === "start") [this.conversationId, this.messageId] = [event.conversation_id, event.message_id];
    if (event.type === "delta") this.text += event.text;
    if (event.type === "restart") [this.text, this.citations] = ["", []];
    if (event.type === "citation") this.citations = [...this.citations, event];
    if (event.type === "done") [this.done, this.text, this.citations] = [event, event.text, event.citations];
    if (event.type === "error") this.error = event;
    return KINDS.includes(event.type);
  }
}

/** { id, data } of each event in a body. What is not ended by an empty line was cut off: it is left out. */
export async function* serverSentEvents(body, silence = SILENCE) {
  const reader = body.getReader(), decoder = new TextDecoder();
  let text = "", id = "", data = [];
  try {
    for (;;) {
      const timer = setTimeout(() => reader.cancel().catch(() => {}), silence);
      const { done, value } = await reader.read().finally(() => clearTimeout(timer));
      text += done ? (text.endsWith("\r") ? "\n" : "") : decoder.decode(value, { stream: true });
      const lines = text.split(/\r\n|\n|\r(?!$)/); // a \r at the end may be half of a \r\n
      text = lines.pop();
      for (const line of lines) {
        const [, field, said = ""] = /^([^:]*):? ?(.*)$/s.exec(line);
        if (field === "id") id = said;
        if (field === "data") data.push(said);
        if (line || !data.length) continue;
        yield { id, data: data.join("\n") };
        data = [];
      }
      if (done) return;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** Attempts of one request, or of one stream, where each event makes them begin anew. */
class Attempts {
  failed = 0;
  renewed = false;
  waited = 0;

  constructor(options) { this.options = options; }

  /** Waits until it may be tried again; throws the error if it may not. */
  async after(error) {
    const wait = (error.retryAfter ?? 0) * 1000;
    if (error.code === "idempotency_in_progress") {
      this.waited += wait || 1000;
      if (this.waited > this.options.answerSeconds * 1000) throw error;
      return sleep(wait || 1000);
    }
    const ofAProxy = !error.code && [502, 503, 504].includes(error.status);
    const passes = error instanceof ConnectionLost || PASSING.includes(error.code) || ofAProxy;
    if (!passes || wait > this.options.patience * 1000) throw error;
    if (++this.failed >= this.options.attempts) throw error;
    return sleep(Math.max(wait, backoff(this.failed - 1))); // never before the time that the server named
  }
}

export class Client {
  #base; #options; #minted = null;

  /** At most one of apiKey, bearer (a token, or a function that makes one) and publishableKey. */
  constructor(baseUrl, options = {}) {
    this.#base = baseUrl.replace(/\/+$/, "");
    this.#options = { attempts: 5, patience: 30, answerSeconds: 180, fetch: globalThis.fetch, ...options };
    /** Of somebody without another credential: to come back with. */
    this.visitorToken = options.visitorToken ?? null;
    const path = (id) => `conversations/${encodeURIComponent(id)}/`;
    this.conversations = {
      create: async (corpus) => {
        const made = await this.#json("POST", "conversations/", { corpus });
        this.visitorToken = made.visitor_token ?? this.visitorToken;
        return made;
      },
      list: (query = {}) => this.#rows(`conversations/?${new URLSearchParams(query)}`),
      get: (id) => this.#json("GET", path(id)),
      rename: (id, title) => this.#json("PATCH", path(id), { title }),
      delete: (id) => this.#json("DELETE", path(id)),
      messages: (id) => this.#rows(`${path(id)}messages/`),
      export: async (id, format = "json") => {
        const accept = format === "markdown" ? "text/markdown" : undefined;
        const said = await this.#send(request("GET", `${path(id)}export/?format=${format}`, { accept }));
        return accept ? said : JSON.parse(said);
      },
    };
  }

  /** The whole answer, when it is complete. With a corpus, in a new conversation. */
  async ask(question, { corpus, conversation, signal, ...around } = {}) {
    const path = await this.#messages(corpus, conversation);
    return JSON.parse(await this.#send(request("POST", path, { body: { question, ...around }, signal })));
  }

  /** The events of an answer, each once; a connection that is lost is made again. */
  stream(question, { corpus, conversation, signal, ...around } = {}) {
    const opening = async () => request("POST", await this.#messages(corpus, conversation),
      { body: { question, ...around }, accept: "text/event-stream", signal });
    return this.#stream(new Answer(), opening, signal);
  }

  /** The events after that number, of an answer that this credential may read. */
  resume(messageId, after = 0, { signal } = {}) {
    return this.#stream(new Answer(messageId, after), null, signal);
  }

  cancel(messageId) { return this.#json("POST", `messages/${encodeURIComponent(messageId)}/cancel/`); }

  feedback(messageId, rating, comment = "") {
    return this.#json("PUT", `messages/${encodeURIComponent(messageId)}/feedback/`, { rating, comment });
  }

  search(query, { corpus, top_k, filters, page }) {
    return this.#json("POST", "search/", { corpus, query, top_k, filters, page });
  }

  document(id) { return this.#json("GET", `documents/${encodeURIComponent(id)}/`); }
  chunk(id) { return this.#json("GET", `chunks/${encodeURIComponent(id)}/`); }

  /** Over a websocket; without a credential of this client, a cookie decides who asks. */
  socket(options = {}) {
    const credentials = async (isRefused) => {
      if (isRefused) this.#minted = null;
      const { Authorization: authorization, "X-Visitor-Token": visitor_token } = await this.#headers();
      return authorization ? { authorization } : visitor_token ? { visitor_token } : null;
    };
    const onvisitor = (token) => { this.visitorToken = token; };
    return new Socket(`${this.#base.replace(/^http/, "ws")}/ws/chat/`, { credentials, onvisitor, ...options });
  }

  async #messages(corpus, conversation) {
    if (!corpus === !conversation) throw new TypeError("A question has either a corpus or a conversation.");
    const id = conversation ?? (await this.conversations.create(corpus)).id;
    return `conversations/${encodeURIComponent(id)}/messages/`;
  }

  #stream(answer, opening, signal) {
    const events = this.#events(answer, opening, signal);
    const cancel = () => this.cancel(answer.messageId);
    const finish = async () => { for await (const _event of events); return answer; };
    return { answer, cancel, finish, [Symbol.asyncIterator]: () => events };
  }

  async *#events(answer, opening, signal) {
    const question = await opening?.(), attempts = new Attempts(this.#options);
    for (;;) {
      // Until its first event the answer has no name, but its question has a key.
      const rest = () => request("GET", `messages/${encodeURIComponent(answer.messageId)}/events/`,
        { accept: "text/event-stream", after: answer.lastEventId, signal });
      const reply = await this.#try(answer.messageId ? rest() : question, attempts);
      if (!reply) continue;
      const events = serverSentEvents(reply.body);
      try {
        for (;;) {
          const { done, value } = await events.next();
          if (done) throw new ConnectionLost("The stream ended before the answer did.");
          const event = JSON.parse(value.data);
          if (!answer.take(event, Number(value.id))) continue;
          attempts.failed = 0;
          yield event;
          if (ends(event)) return;
        }
      } catch (error) {
        await attempts.after(lost(error, signal));
      } finally {
        events.return();
      }
    }
  }

  async *#rows(path) {
    for (let next = path; next; ) {
      const page = await this.#json("GET", next);
      yield* page.results;
      next = page.next && path.split("?")[0] + new URL(page.next).search;
    }
  }

  async #json(method, path, body) {
    return JSON.parse((await this.#send(request(method, path, { body }))) || "null");
  }

  /** Sent until it is answered. A POST has a key, by which the server does it once. */
  async #send(what) {
    const attempts = new Attempts(this.#options);
    for (;;) {
      const reply = await this.#try(what, attempts);
      try {
        if (reply) return await reply.text();
      } catch (error) {
        await attempts.after(lost(error, what.init.signal));
      }
    }
  }

  /** Null, after a while, if it is to be tried again. */
  async #try({ path, init }, attempts) {
    let reply;
    try {
      const headers = { ...init.headers, ...(await this.#headers()) };
      reply = await this.#options.fetch(`${this.#base}/api/v1/${path}`, { ...init, headers });
    } catch (error) {
      await attempts.after(lost(error, init.signal));
      return null;
    }
    if (reply.ok) return reply;
    const told = await reply.json().catch(() => ({}));
    const { bearer, publishableKey } = this.#options;
    if (reply.status === 401 && !attempts.renewed && (publishableKey || typeof bearer === "function")) {
      attempts.renewed = true;
      this.#minted = null;
      return null;
    }
    await attempts.after(new ApiError({ ...told, status: reply.status }, reply.headers));
    return null;
  }

  async #headers() {
    const { apiKey, bearer, publishableKey, origin } = this.#options;
    if (apiKey) return { Authorization: `Api-Key ${apiKey}` };
    if (bearer) return { Authorization: `Bearer ${typeof bearer === "function" ? await bearer() : bearer}` };
    // A browser says the origin by itself, and lets nobody else say it.
    const of = origin ? { Origin: origin } : {};
    if (publishableKey && !(this.#minted > Date.now() + 60_000)) {
      const reply = await this.#options.fetch(`${this.#base}/api/v1/visitor-tokens/`, {
        method: "POST",
        headers: { ...of, Authorization: `Api-Key ${publishableKey}`, "Content-Type": "application/json" },
        body: JSON.stringify(this.visitorToken ? { token: this.visitorToken } : {}),
      });
      const told = await reply.json();
      if (!reply.ok) throw new ApiError({ ...told, status: reply.status }, reply.headers);
      [this.visitorToken, this.#minted] = [told.token, Date.parse(told.expires_at)];
    }
    return this.visitorToken ? { ...of, "X-Visitor-Token": this.visitorToken } : {};
  }
}

function request(method, path, { body, accept, after, signal } = {}) {
  const headers = { Accept: accept ?? "application/json" };
  if (body) headers["Content-Type"] = "application/json";
  if (after) headers["Last-Event-ID"] = String(after);
  if (method === "POST") headers["Idempotency-Key"] = key();
  return { path, init: { method, headers, signal, body: body && JSON.stringify(body) } };
}

/** Not randomUUID, which a page without https does not have. */
const key = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("-");

/** What fetch throws when there is no connection, or none any more, is a TypeError. */
function lost(error, signal) {
  return error instanceof TypeError && !signal?.aborted ? new ConnectionLost(error.message, { cause: error }) : error;
}

/** One answer that is followed over a socket: iterate over its events. */
class Followed {
  #told = []; #wake = () => {};

  constructor(socket, id, frame, answer) { Object.assign(this, { socket, id, frame, answer }); }

  get hasEnded() { return Boolean(this.answer.done || this.answer.error); }

  /** What to say on a new connection: go on, if it has begun; ask, if nothing was heard of it. */
  get opening() {
    const { messageId: message, lastEventId: after } = this.answer;
    return message ? { type: "resume", message, after } : this.frame;
  }

  /** Stop the model. What was shown comes in a `done` with the status "cancelled". */
  cancel() { this.socket.send({ type: "stop", id: this.id }); }

  take({ v, seq, id, event_id, ...event }) {
    // A refusal of ours has no number; an answer ends with it.
    if (this.hasEnded || !this.answer.take(event, event_id ?? this.answer.lastEventId + 1)) return;
    this.#told.push(event);
    this.#wake();
  }

  async *[Symbol.asyncIterator]() {
    for (;;) {
      while (this.#told.length) {
        const event = this.#told.shift();
        yield event;
        if (ends(event)) return;
      }
      await new Promise((resolve) => { this.#wake = resolve; });
    }
  }
}

/** The websocket, protocol version 1. It connects again by itself, and goes on with the answer. */
export class Socket {
  #socket = null; #followed = null; #asked = 0; #failed = 0; #isReady = false; #pings; #timer; #attempt = 0;
  #shown = null; #isRenewed = false; #visitor = null;

  /**
   * `onstate` is told "ready" (with the corpora), "away" and "expired" (nothing is tried any more); `onvisitor` the
   * token of a visitor without a credential. `credentials(true)` asks for others than those of before, which are over.
   */
  constructor(url, { onstate = () => {}, onvisitor = () => {}, credentials = async () => null,
    WebSocket = globalThis.WebSocket } = {}) {
    Object.assign(this, { url, onstate, onvisitor, credentials, WebSocket });
    this.online = () => { if (!this.#isReady) this.#connect(); };
    globalThis.addEventListener?.("online", this.online);
    this.#connect();
  }

  /** { question, corpus or conversation, filters, page, selection } */
  ask(question) { return this.#follow({ type: "ask", key: key(), ...question }, new Answer()); }

  resume(messageId, after = 0) { return this.#follow(null, new Answer(messageId, after)); }

  /** From now on somebody else; `credential` has `authorization` or `visitor_token`. */
  authenticate(credential) {
    this.credentials = async () => credential;
    this.#show(credential);
  }

  ping() { this.send({ type: "ping", id: "ping" }); }

  /** Whether it was sent: not without a connection. */
  send(frame) {
    if (!this.#isReady) return false;
    this.#socket.send(JSON.stringify({ v: 1, ...frame }));
    return true;
  }

  close() {
    globalThis.removeEventListener?.("online", this.online);
    this.#leave();
    this.#end("closed", "The socket was closed.", 499);
  }

  #end(code, detail, status) {
    this.#followed?.take({ type: "error", code, detail, status, retry_after: null, message_id: null });
  }

  #follow(frame, answer) {
    if (this.#followed && !this.#followed.hasEnded) throw new Error("One answer at a time.");
    const id = String(++this.#asked);
    this.#followed = new Followed(this, id, frame, answer);
    this.send({ ...this.#followed.opening, id });
    return this.#followed;
  }

  async #connect(isRefused = false) {
    this.#leave();
    const attempt = ++this.#attempt;
    const credential = await this.#credential(isRefused).catch((error) => error);
    if (attempt !== this.#attempt) return; // closed meanwhile, or begun anew
    if (credential instanceof Error) return this.#lost([401, 403].includes(credential.status) ? EXPIRED : undefined);
    if (isRefused && !this.#isNew(credential)) return this.#expired();
    this.#shown = credential;
    const socket = (this.#socket = new this.WebSocket(this.url));
    let isGreeted = !credential;
    socket.onclose = (event) => this.#lost(event.code);
    socket.onmessage = ({ data }) => {
      const frame = JSON.parse(data);
      this.#heard();
      if (frame.type === "expires") return this.#renew();
      if (frame.type !== "ready") { if (frame.id === this.#followed?.id) this.#tell(frame); return; }
      if (isGreeted) return this.#ready(frame);
      isGreeted = true;
      socket.send(JSON.stringify({ v: 1, type: "authenticate", id: "authenticate", ...credential }));
    };
  }

  async #credential(isRefused) { return (await this.credentials(isRefused)) ?? this.#visitor; }

  #isNew(credential) { return credential && JSON.stringify(credential) !== JSON.stringify(this.#shown); }

  /** The server says a minute before what will be over. If this fails, it closes, and one more is tried. */
  async #renew() {
    const attempt = this.#attempt;
    const credential = await this.#credential(true).catch(() => null);
    if (attempt === this.#attempt && this.#isNew(credential)) this.#show(credential);
  }

  #show(credential) {
    this.#shown = credential;
    this.send({ type: "authenticate", id: "authenticate", ...credential });
  }

  #ready(frame) {
    const [wasReady, followed] = [this.#isReady, this.#followed];
    [this.#isReady, this.#failed, this.#isRenewed] = [true, 0, false];
    if (frame.visitor_token) {
      this.#visitor = { visitor_token: frame.visitor_token };
      this.onvisitor(frame.visitor_token);
    }
    this.onstate("ready", frame.corpora);
    if (!wasReady && followed && !followed.hasEnded) this.send({ ...followed.opening, id: followed.id });
  }

  #tell(frame) {
    // Of a stop that came too late; and of a close, which says it, too.
    if (frame.type === "error" && ["nothing_to_stop", "unauthorized"].includes(frame.code)) return;
    if (frame.code === "idempotency_in_progress") return this.#askLater(this.#followed); // at another process
    this.#followed.take(frame);
  }

  #askLater(followed) {
    setTimeout(() => {
      if (followed === this.#followed && !followed.hasEnded) this.send({ ...followed.opening, id: followed.id });
    }, 1000);
  }

  #heard() {
    clearTimeout(this.#pings);
    this.#pings = setTimeout(() => {
      this.ping();
      this.#pings = setTimeout(() => this.#lost(), PONG);
    }, PING);
  }

  #lost(code) {
    this.#leave();
    if (code === FOREIGN || (code === EXPIRED && this.#isRenewed)) return this.#expired();
    if (code === EXPIRED) {
      this.#isRenewed = true;
      return this.#connect(true);
    }
    this.onstate("away");
    this.#timer = setTimeout(() => this.#connect(), backoff(this.#failed++));
  }

  #expired() {
    this.#end("unauthorized", "The credential has expired or was revoked.", 401);
    this.onstate("expired");
  }

  #leave() {
    clearTimeout(this.#timer);
    clearTimeout(this.#pings);
    this.#isReady = false;
    this.#attempt++;
    if (!this.#socket) return;
    this.#socket.onclose = this.#socket.onmessage = null;
    this.#socket.close();
    this.#socket = null;
  }
}
