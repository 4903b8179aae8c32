/** Runs lines of JavaScript or TypeScript with top-level `await`, in the scope that earlier lines left. */
import { type Runtime, Session } from "node:inspector/promises";
import { stripTypeScriptTypes } from "node:module";

/** What V8 says where a line only stops too early. */
const UNFINISHED =
  /^(Unexpected end of input|Unterminated template literal|missing \) after argument list)/;

/** What the protocol knows and Node's types don't: a mode in which names may be declared again. */
interface ReplRequest extends Runtime.EvaluateParameterType {
  replMode: boolean;
}

/** A line that goes on in the next one. */
export class UnfinishedError extends SyntaxError {
  override name = "UnfinishedError";
}

/** Whether more brackets open than close, with strings and comments left out. */
function hasOpenBrackets(code: string): boolean {
  const bare = code.replace(/\/\/.*|\/\*[^]*?\*\/|(["'`])(?:\\[^]|(?!\1)[^])*\1/g, "");
  const count = (brackets: RegExp) => bare.match(brackets)?.length ?? 0;
  return count(/[([{]/g) > count(/[)\]}]/g);
}

/**
 * Removes types. Text that is no whole program stays as it is, for V8 to say what is wrong with it.
 *
 * @throws {UnfinishedError} If the text has brackets that are still open: V8 would stumble over types before them.
 */
function withoutTypes(code: string): string {
  try {
    return stripTypeScriptTypes(code);
  } catch (cause) {
    if (hasOpenBrackets(code)) throw new UnfinishedError("Unexpected end of input", { cause });
    return code;
  }
}

/** Runs one line after another; names that one declares are there for the next, and may be declared again. */
export class Evaluator {
  readonly #session = new Session();
  /** How values come out of V8's inspector, which gives descriptions only: a function there fills it. */
  readonly #cell: { value?: unknown } = {};
  readonly #cellId: Promise<string | undefined>;

  /** Connects to the inspector of this process, which needs the permission `sys`. */
  constructor() {
    this.#session.connect();
    this.#cellId = this.#findCell();
  }

  /**
   * Runs code and waits for what it awaits.
   *
   * @param code A line, or several.
   * @returns The value of the last expression.
   * @throws {UnfinishedError} If the code goes on in a line that isn't there yet.
   * @throws What the code throws.
   */
  async run(code: string): Promise<unknown> {
    // A line that begins with a brace is an object first, as in other consoles, and a block otherwise.
    const isObject = /^\s*\{[^;]*\}\s*$/.test(code);
    const first = await this.#evaluate(withoutTypes(isObject ? `(${code})` : code));
    const isBlock = isObject && first.exceptionDetails?.exception?.className === "SyntaxError";
    const { result, exceptionDetails } = isBlock ? await this.#evaluate(withoutTypes(code)) : first;
    if (!exceptionDetails) return this.#take(result);
    const thrown = await this.#take(exceptionDetails.exception ?? result);
    if (thrown instanceof SyntaxError && UNFINISHED.test(thrown.message)) {
      throw new UnfinishedError(thrown.message, { cause: thrown });
    }
    throw thrown;
  }

  #evaluate(expression: string): Promise<Runtime.EvaluateReturnType> {
    const request: ReplRequest = { expression, replMode: true, awaitPromise: true };
    return this.#session.post("Runtime.evaluate", request);
  }

  /** Tells the inspector of the cell, by way of a global that is gone at once. */
  async #findCell(): Promise<string | undefined> {
    const name = `cell_${crypto.randomUUID().replaceAll("-", "")}`;
    Object.defineProperty(globalThis, name, { value: this.#cell, configurable: true });
    const { result } = await this.#session.post("Runtime.evaluate", { expression: name });
    Reflect.deleteProperty(globalThis, name);
    return result.objectId;
  }

  async #take({ objectId, unserializableValue, value }: Runtime.RemoteObject): Promise<unknown> {
    const argument = objectId
      ? { objectId }
      : unserializableValue
      ? { unserializableValue }
      : { value };
    await this.#session.post("Runtime.callFunctionOn", {
      functionDeclaration: "function (value) { this.value = value; }",
      objectId: await this.#cellId,
      arguments: [argument],
    });
    return this.#cell.value;
  }
}
