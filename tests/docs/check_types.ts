/** Checks the types of the TypeScript in the pages: `deno run -A tests/docs/check_types.ts`. */
import { allPages } from "./_pages.ts";
import { programsOf, runPrograms } from "./_programs.ts";

const programs = allPages().flatMap(programsOf);
await runPrograms(programs, { check: true });
console.log(`${programs.length} programs of the pages have no type errors`);
