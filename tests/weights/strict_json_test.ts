import { assertEquals, assertThrows } from "@std/assert";
import { parseStrictJson } from "../../src/weights/strict_json.ts";

Deno.test("parseStrictJson() reads what JSON.parse reads", () => {
  for (
    const text of ['{"a":{"a":1},"b":[{"a":1},{"a":2}]}', '"a"', '{"\\"}":1,"\\\\":"a:"}', "[]"]
  ) {
    assertEquals(parseStrictJson(text), JSON.parse(text));
  }
});

Deno.test("parseStrictJson() refuses a key that occurs twice, however it is written", () => {
  for (
    const text of [
      '{"a":1,"a":2}',
      '{"b":[{"a" : 1,"\\u0061"\n:2}]}',
      '{"b":"a","c":{"a":{},"a":{}}}',
    ]
  ) {
    assertThrows(() => parseStrictJson(text), SyntaxError, 'the key "a" occurs twice');
  }
});

Deno.test("parseStrictJson() reads long strings without backtracking", () => {
  const long = "x\\\\".repeat(2_000_000);
  assertEquals(parseStrictJson(`{"a":"${long}"}`), { a: "x\\".repeat(2_000_000) });
});
