/**
 * Writes into the pages what their code prints today: blocks of text behind TypeScript, comments that begin with `?`, and sessions.
 *
 *     deno run -A tests/docs/write_outputs.ts docs/ioi.md [page …]
 */
import { pageOf, ROOT } from "./_pages.ts";
import { programsOf, runPrograms } from "./_programs.ts";
import { isSession, writtenSessions } from "./_sessions.ts";

async function rewritten(path: string): Promise<string> {
  const lines = (await Deno.readTextFile(new URL(path, ROOT))).split("\n");
  const { blocks } = pageOf(path, lines.join("\n"));
  /** What stands between the fences of a block, by its line. */
  const bodies = new Map<number, string>();
  const programs = programsOf(pageOf(path, lines.join("\n")));
  const printed = await runPrograms(programs, { check: true });
  programs.forEach((program, i) =>
    program.forEach(({ text, line, output }, block) => {
      const said = [...printed[i][block]];
      if (output !== undefined) return bodies.set(blocks[blockAt(line) + 1].line, said.join("\n"));
      const filled = text.replaceAll(
        /(console\.log\(.*\); \/\/ )(.*)$/gm,
        (_, call: string, comment: string) => {
          const today = said.shift();
          return `${call}${comment.startsWith("?") ? `${today}${comment.slice(1)}` : comment}`;
        },
      );
      bodies.set(line, filled);
    })
  );
  function blockAt(line: number): number {
    return blocks.findIndex((block) => block.line === line);
  }
  const sessions = blocks.filter(isSession);
  const written = sessions.length > 0 ? await writtenSessions(sessions) : [];
  sessions.forEach(({ line }, i) => bodies.set(line, written[i]));
  for (const { line, nLines } of blocks.toReversed()) {
    const body = bodies.get(line);
    if (body !== undefined) lines.splice(line, nLines, ...body.split("\n"));
  }
  return lines.join("\n");
}

for (const path of Deno.args) {
  await Deno.writeTextFile(new URL(path, ROOT), await rewritten(path));
}
