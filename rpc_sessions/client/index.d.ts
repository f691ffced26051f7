/** What a failed call rejects with. */
export class RpcError extends Error {
  constructor(code: number, message: string, data?: unknown, method?: string);
  name: "RpcError";
  /** JSON-RPC's, the server's, or one of `codes`. */
  code: number;
  /** What the server added; for `codes.DISCONNECTED` it is `{closeCode, reason}`. */
  data: any;
  /** The method that was called. */
  method?: string;
}

/** The codes this client gives itself. */
export const codes: {
  /** No reply in time (the server's own deadline has the same code). */
  readonly TIMEOUT: -32002;
  /** close() was called, or the server refuses this origin for good. */
  readonly CLOSED: -32097;
  /** Too many calls wait for the connection; this one was not sent. */
  readonly QUEUE_FULL: -32098;
  /** Sent, then the connection was lost: whether it ran is unknown. */
  readonly DISCONNECTED: -32099;
};

/** What the client needs of a WebSocket; those of browsers, Node 22 and the package "ws" have it. */
export interface WebSocketLike {
  readonly readyState: number;
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  send(text: string): void;
  close(): void;
}

export interface ConnectOptions {
  /** The class to use where there is none (Node 20: the package "ws"). */
  WebSocket?: new (url: string) => WebSocketLike;
  /** What exchanges tickets; outside a browser giving it turns `tickets` on. */
  fetch?: (url: string, init: any) => Promise<{ status: number }>;
  /** Exchange session tickets for cookies; default true in a browser. */
  tickets?: boolean;
  /** Milliseconds a call may take, waiting to be sent included; default 30000, 0 for none. */
  timeout?: number;
  /** Most calls that wait for the connection; default 100. */
  queue?: number;
  /** Milliseconds between attempts to reconnect; default 250 to 15000. */
  backoff?: { min?: number; max?: number };
}

export interface CallOptions {
  /** Milliseconds from now, 0 for none; default the client's. */
  timeout?: number;
  signal?: AbortSignal;
}

export type Params = readonly unknown[] | object;
export type BatchItem = readonly [method: string, ...params: unknown[]];
export type Callback<T = any> = (error: Error | null, result?: T) => void;

export interface Disconnect {
  /** The WebSocket close code; 1006 when the network failed, 1000 after close(). */
  code: number;
  reason: string;
  willReconnect: boolean;
}

export type SessionChange =
  /** The session has a new id and the browser has its cookie. */
  | { reason: "rotated" }
  /** It was destroyed, or has an id that only the browser knows; the client reconnects with the cookie the browser has. */
  | { reason: "ended" }
  /** The server refused the ticket; the client reconnects with the cookie the browser has. */
  | { reason: "refused" }
  /** The ticket could not be exchanged; the connection goes on, the browser keeps the old cookie. */
  | { reason: "failed" }
  /** Somebody else wrote these keys. */
  | { reason: "changed"; keys: string[] };

export interface LifecycleEvents {
  /** The first time the connection opened. */
  ready: [];
  /** Every later time it opened. */
  reconnect: [];
  /** The connection was lost or closed, or an attempt to connect failed. */
  disconnect: [Disconnect];
  session: [SessionChange];
  /** An error no call can be blamed for. */
  error: [Error];
}

/** Takes the listener off. */
export type Unsubscribe = () => void;

export interface Events {
  on<A extends any[]>(name: string, fn: (...params: A) => unknown): Unsubscribe;
  once<A extends any[]>(name: string, fn: (...params: A) => unknown): Unsubscribe;
  off(name: string, fn: (...params: any[]) => unknown): void;
}

export interface Client {
  /** Whether messages go out at once; otherwise they wait in the queue. */
  readonly connected: boolean;
  /** The events the server publishes. */
  readonly event: Events;

  /** Calls a method; the last argument is a Node style callback. */
  rpc<T = any>(method: string, ...args: [...params: unknown[], callback: Callback<T>]): void;
  /** Calls a method; rejects with RpcError, or TypeError for arguments that JSON cannot hold. */
  rpc<T = any>(method: string, ...params: unknown[]): Promise<T>;

  /** Calls a method with positional or named params, and options; when aborted it rejects with `signal.reason`. */
  call<T = any>(method: string, params?: Params, options?: CallOptions): Promise<T>;

  /** Sends several calls as one message; the outcomes come in the order given, as of Promise.allSettled. */
  batch<T = any>(items: readonly BatchItem[], options?: CallOptions): Promise<PromiseSettledResult<T>[]>;

  /** Sends a notification; throws RpcError when the queue is full or the client closed. */
  notify(method: string, ...params: unknown[]): void;

  on<E extends keyof LifecycleEvents>(name: E, fn: (...args: LifecycleEvents[E]) => unknown): Unsubscribe;
  once<E extends keyof LifecycleEvents>(name: E, fn: (...args: LifecycleEvents[E]) => unknown): Unsubscribe;
  off<E extends keyof LifecycleEvents>(name: E, fn: (...args: LifecycleEvents[E]) => unknown): void;

  /** Ends the connection for good; calls that wait reject with `codes.CLOSED`. */
  close(): void;
}

/** Connects, and stays connected until `close()`; the URL is /rpc of this page's server by default. */
export function connect(url?: string | URL, options?: ConnectOptions): Client;
