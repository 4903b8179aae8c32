/** Just enough scanning of TypeScript and Rust to see what a file imports and which globals it uses. */

/** One import or re-export of a TypeScript file. */
export interface Import {
  specifier: string;
  /** `type`: erased when compiled; `dynamic`: `import(…)`, loaded when reached. */
  kind: "static" | "type" | "dynamic";
}

// A regular expression is told from a division by what stands before it.
const TS_TOKENS =
  /\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|(?<=[=(,:;!&|?{}[\n]\s*)\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/[\\\n])+\/[a-z]*/g;

/** Replaces comments by nothing and literals by their number in the returned list. */
function withoutLiterals(text: string): { code: string; literals: string[] } {
  const literals: string[] = [];
  const code = text.replace(TS_TOKENS, (token) => {
    if (token.startsWith("//") || token.startsWith("/*")) return " ";
    return `"${literals.push(token) - 1}"`;
  });
  return { code, literals };
}

/**
 * Lists what a TypeScript or JavaScript file imports and re-exports.
 *
 * @param text The file.
 * @returns The imports in order of appearance; a dynamic import of a computed name is not listed.
 */
export function importsOf(text: string): Import[] {
  const { code, literals } = withoutLiterals(text);
  const found: Import[] = [];
  const pattern =
    /\b(?:import|export)\b(?<clause>[^;"()=]*?)\bfrom\s*"(?<from>\d+)"|\bimport\s*"(?<bare>\d+)"|\bimport\s*\(\s*"(?<dynamic>\d+)"/g;
  for (const { groups } of code.matchAll(pattern)) {
    const literal = literals[Number(groups?.from ?? groups?.bare ?? groups?.dynamic)];
    const isType = groups?.clause?.trimStart().startsWith("type ") ?? false;
    const kind = groups?.dynamic !== undefined ? "dynamic" : isType ? "type" : "static";
    found.push({ specifier: literal.slice(1, -1), kind });
  }
  return found;
}

/**
 * Lists the globals of one runtime that a file uses: `Deno`, `process`, `Bun`.
 *
 * @param text The file.
 * @returns Each name once, in order of appearance.
 */
export function runtimeGlobals(text: string): string[] {
  const { code, literals } = withoutLiterals(text);
  const inserted = literals.flatMap((literal) => literal.match(/\$\{[^}]*\}/g) ?? []);
  const uses = [code, ...inserted].join("\n").matchAll(
    /(?<![\w.$])(?:globalThis\s*\.\s*)?(Deno|process|Bun)\b(?=\s*(?:\?\.|[.[]))/g,
  );
  return [...new Set([...uses].map((use) => use[1]))];
}

const RUST_TOKENS = /\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:\\[\s\S]|[^"\\])*"/g;

/** First names of a `{…}` group in a use declaration, whose members may have groups of their own. */
function firstNames(group: string): string[] {
  let depth = 0;
  let flat = "";
  for (const char of group) {
    if (char === "}") depth--;
    if (depth === 0) flat += char;
    if (char === "{") depth++;
  }
  return flat.split(",").map((path) => path.trim().split("::")[0]).filter((name) => name !== "");
}

/** The text of the group that opens at `start`, without its braces. */
function groupAt(code: string, start: number): string {
  let depth = 0;
  for (let end = start; end < code.length; end++) {
    if (code[end] === "{") depth++;
    if (code[end] === "}" && --depth === 0) return code.slice(start + 1, end);
  }
  return "";
}

/**
 * Lists the top-level modules of its crate that a Rust file names.
 *
 * @param text The file.
 * @param depth How many modules the file lies below the crate's root.
 * @returns Names after `crate::`, and after as many `super::` as lead to the root; each once.
 */
export function crateModules(text: string, depth: number): string[] {
  const code = text.replace(RUST_TOKENS, (token) => token.startsWith("/") ? " " : '""');
  const names: string[] = [];
  for (const match of code.matchAll(/\b(?:crate::|((?:super::)+))(\w+|\{)/g)) {
    const supers = match[1] === undefined ? depth : match[1].length / "super::".length;
    if (supers < depth) continue;
    if (match[2] !== "{") names.push(match[2]);
    else names.push(...firstNames(groupAt(code, match.index + match[0].length - 1)));
  }
  return [...new Set(names)];
}
