// Types of ragsite.js. Fields of events and objects are as they stand in the JSON: docs/api.md.

export interface Place {
  chunk_id: string; title: string; heading_path: string[]; url: string; source: string; version: string;
  language: string; trust_tier: string; peer_reviewed: boolean;
}
export interface Passage extends Place { text: string; line_start: number; line_end: number }
export interface Found { query: string; degraded: string[]; passages: Passage[]; timings: Record<string, number> }
export interface Citation {
  number: number; chunk_id: string; title: string; heading_path: string[]; url: string; link: string; quote: string;
  quote_start: number; quote_end: number; trust_tier: string; peer_reviewed: boolean;
}
export interface Claim {
  start: number; end: number; verdict: string; citation: number | null; support_start: number | null;
  support_end: number | null; reason: string;
}
export interface CopiedRun { start: number; end: number; words: number }

export interface Start { type: "start"; conversation_id: string; message_id: string }
export interface Stage { type: "stage"; stage: string; query: string | null; position: number | null }
export interface Sources { type: "sources"; sources: Place[]; degraded: string[] }
export interface Delta { type: "delta"; text: string }
export interface Cited extends Citation { type: "citation" }
export interface Restart { type: "restart"; reason: string }
export interface Claims { type: "claims"; claims: Claim[]; copied: CopiedRun[] }
export interface Done {
  type: "done"; conversation_id: string; message_id: string; status: string; outcome: string; text: string;
  citations: Citation[]; claims: Claim[]; copied: CopiedRun[]; nearest: Place[]; degraded: string[]; model: string;
  extractive: boolean; cached: boolean; usage: Record<string, unknown>; timings: Record<string, number>;
}
export interface ErrorEvent {
  type: "error"; code: string; detail: string; status: number; retry_after: number | null; message_id: string | null;
}
export type Event = Start | Stage | Sources | Delta | Cited | Restart | Claims | Done | ErrorEvent;
export const KINDS: Event["type"][];

export interface Filters {
  sources?: string[]; languages?: string[]; versions?: string[]; sections?: string[]; trust_tiers?: string[];
}
export interface Around { filters?: Filters; page?: string; selection?: { text: string; mode: "only" | "boost" } }
export type Where = { corpus: string; conversation?: undefined } | { conversation: string; corpus?: undefined };

export interface Conversation {
  id: string; corpus: string; title: string; created_at: string; updated_at: string; branched_from?: string | null;
  visitor_token?: string;
}
export interface Message {
  id: string; role: "user" | "assistant"; text: string; status: string; outcome: string; model: string;
  created_at: string; finished_at: string | null; claims: Claim[];
  citations: (Citation & { standing: "current" | "moved" | "changed" | "gone"; moved_to: string })[];
  question?: string | null; superseded?: boolean; feedback?: Feedback | null;
}
export interface Feedback { rating: "up" | "down"; comment: string }
export interface Deleted { messages: number; citations: number; claims: number; feedback: number }
export interface Document {
  id: string; corpus: string; source: string; key: string; url: string; title: string; language: string;
  version: string; trust_tier: string; authors: string[]; year: number | null; doi: string; created_at: string;
  updated_at: string; indexed_at: string | null;
}
export interface Chunk {
  id: string; document: Document; position: number; heading_path: string[]; anchor: string; url: string; text: string;
  line_start: number; line_end: number; char_start: number; char_end: number; token_estimate: number; text_hash: string;
}

export class ApiError extends Error {
  status: number; code: string; detail: string; errors: Record<string, unknown>;
  retryAfter: number | null; requestId: string | null;
}
export class ConnectionLost extends Error {}

export class Answer {
  constructor(messageId?: string | null, lastEventId?: number);
  text: string; citations: Citation[]; conversationId: string | null; messageId: string | null; lastEventId: number;
  done: Done | null; error: ErrorEvent | null;
  take(event: Event, number: number): boolean;
}
export interface Stream extends AsyncIterable<Event> {
  answer: Answer;
  finish(): Promise<Answer>;
  cancel(): Promise<Done>;
}

export interface Options {
  apiKey?: string;
  bearer?: string | (() => string | Promise<string>);
  visitorToken?: string;
  publishableKey?: string;
  origin?: string;
  attempts?: number;
  patience?: number;
  answerSeconds?: number;
  fetch?: typeof fetch;
}
export class Client {
  constructor(baseUrl: string, options?: Options);
  visitorToken: string | null;
  conversations: {
    create(corpus: string): Promise<Conversation>;
    list(query?: { q?: string; corpus?: string }): AsyncIterable<Conversation>;
    get(id: string): Promise<Conversation>;
    rename(id: string, title: string): Promise<Conversation>;
    delete(id: string): Promise<Deleted>;
    messages(id: string): AsyncIterable<Message>;
    export(id: string, format?: "json" | "markdown"): Promise<any>;
  };
  ask(question: string, options: Where & Around & { signal?: AbortSignal }): Promise<Done>;
  stream(question: string, options: Where & Around & { signal?: AbortSignal }): Stream;
  resume(messageId: string, after?: number, options?: { signal?: AbortSignal }): Stream;
  cancel(messageId: string): Promise<Done>;
  feedback(messageId: string, rating: "up" | "down", comment?: string): Promise<Feedback>;
  search(query: string, options: { corpus: string; top_k?: number; filters?: Filters; page?: string }): Promise<Found>;
  document(id: string): Promise<Document>;
  chunk(id: string): Promise<Chunk>;
  socket(options?: SocketOptions): Socket;
}

export type Credential = { authorization: string } | { visitor_token: string };
export interface SocketOptions {
  onstate?: (state: "ready" | "away" | "expired", corpora?: { slug: string; name: string }[]) => void;
  onvisitor?: (token: string) => void;
  credentials?: (isRefused: boolean) => Promise<Credential | null>;
  WebSocket?: new (url: string) => WebSocket;
}
export interface Followed extends AsyncIterable<Event> {
  answer: Answer;
  hasEnded: boolean;
  cancel(): void;
}
export class Socket {
  constructor(url: string, options?: SocketOptions);
  ask(question: { question: string } & Where & Around): Followed;
  resume(messageId: string, after?: number): Followed;
  authenticate(credential: Credential): void;
  ping(): void;
  close(): void;
}

export function serverSentEvents(body: ReadableStream<Uint8Array>, silence?: number): AsyncGenerator<{ id: string; data: string }>;
