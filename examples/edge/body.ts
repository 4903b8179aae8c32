/** Reading a request's body within limits. */
import { Failure } from "./failure.ts";
import { LIMITS } from "./limits.ts";

function tooLarge(): Failure {
  return new Failure(413, "too large", `The body has more than ${LIMITS.bodyBytes} bytes`);
}

/** Rejects after a time; the timer ends with the block. */
function deadline(ms: number, failure: Failure): { passed: Promise<never> } & Disposable {
  let timer: ReturnType<typeof setTimeout>;
  const passed = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(failure), ms);
  });
  return { passed, [Symbol.dispose]: () => clearTimeout(timer) };
}

async function readBytes(body: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const bytes = new Uint8Array(LIMITS.bodyBytes);
  const late = new Failure(408, "too slow", `The body took more than ${LIMITS.bodyMs} ms`);
  using time = deadline(LIMITS.bodyMs, late);
  const reader = body.getReader();
  let length = 0;
  try {
    while (true) {
      const { value } = await Promise.race([reader.read(), time.passed]);
      if (value === undefined) return bytes.subarray(0, length);
      if (length + value.length > bytes.length) throw tooLarge();
      bytes.set(value, length);
      length += value.length;
    }
  } catch (error) {
    await reader.cancel().catch(() => {});
    throw error;
  }
}

/**
 * Reads the JSON object that a request carries.
 *
 * @throws {Failure} If it is too large, too slow, no JSON, or no object.
 */
export async function readObject(request: Request): Promise<Record<string, unknown>> {
  const type = request.headers.get("content-type") ?? "none";
  if (!/^application\/json\b/i.test(type)) {
    const message = `The content type is "${type.slice(0, 80)}", wanted application/json`;
    throw new Failure(415, "wrong type", message);
  }
  if (Number(request.headers.get("content-length")) > LIMITS.bodyBytes) throw tooLarge();
  const bytes = request.body ? await readBytes(request.body) : new Uint8Array();
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Failure(400, "malformed", `The body is no JSON: ${reason}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Failure(400, "malformed", "The body is no JSON object");
  }
  return value as Record<string, unknown>;
}
