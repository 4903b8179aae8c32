/** A program in a pseudo-terminal, made by util-linux' `script`: what is typed, and what comes back. */

/** A program at a terminal. */
export class PtyProgram implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
  readonly #decoder = new TextDecoder();
  #unread = "";

  /** Starts a program. @param command As a shell reads it. */
  constructor(command: string, env: Record<string, string>) {
    this.#child = new Deno.Command("script", {
      args: ["--quiet", "--flush", "--return", "--command", command, "/dev/null"],
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
      env,
    }).spawn();
    this.#writer = this.#child.stdin.getWriter();
    this.#reader = this.#child.stdout.getReader();
  }

  /** Types text. */
  async type(text: string): Promise<void> {
    await this.#writer.write(new TextEncoder().encode(text));
  }

  /** Reads until a text has come up, and gives what was read. */
  async until(text: string): Promise<string> {
    while (!this.#unread.includes(text)) {
      const { value, done } = await this.#reader.read();
      if (done) throw new Error(`The program ended before "${text}" came up:\n${this.#unread}`);
      this.#unread += this.#decoder.decode(value, { stream: true });
    }
    const end = this.#unread.indexOf(text) + text.length;
    const read = this.#unread.slice(0, end);
    this.#unread = this.#unread.slice(end);
    return read;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader.cancel();
    await this.#writer.close().catch(() => {});
    this.#child.kill();
    await this.#child.status;
  }
}
