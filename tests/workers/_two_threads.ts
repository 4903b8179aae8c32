/** Loaded before tests or a program: has two threads share every piece of work, however small. */

import { assert } from "@std/assert";
import { openSharedCore } from "../../src/core/shared_core.ts";
import { ThreadPool } from "../../src/workers/pool.ts";
import { pool_helped, pool_open } from "../../wasm/pkg_threads/splicer.js";

const pool = await openSharedCore();
assert(pool instanceof ThreadPool, `there are no threads: ${pool}`);
await pool.resize(2);
pool_open(true, 1);

/** Fails unless the second thread has done something: otherwise whatever was tested was tested on one. */
addEventListener("unload", () => {
  if (pool_helped() === 0) {
    console.error("The second thread has done nothing");
    Deno.exit(3);
  }
});
