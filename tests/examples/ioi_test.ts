import { assert, assertEquals, assertLess } from "@std/assert";
import { fromFileUrl, numbersIn } from "./_demo.ts";
import { Tensor } from "../../mod.ts";
import { noChromium, openPage } from "../_chromium.ts";
import { readJson, readTensors } from "../_fixtures.ts";
import { compareAll, type Tolerance } from "../parity/_compare.ts";
import { type DemoOutput, runDemo } from "./_demo.ts";

interface Reference {
  prompts: string[];
  tensors: Record<string, { shape: number[]; dtype: string } & Tolerance>;
}
