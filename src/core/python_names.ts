/**
 * Names that Python's libraries have and this one spells differently: who uses one is told which.
 *
 * @module
 */

/** Options of Python's loaders that say where to compute, each with what to do instead. */
export const DEVICE_OPTIONS: Readonly<Record<string, string>> = {
  device: "It computes on the CPU: leave it out.",
  nDevices: "It computes on the CPU: leave it out.",
};

/** `runWithCache` as Python spells it. */
function pythonName(name: string): string {
  return name.replaceAll(/[A-Z]/g, "_$&").toLowerCase();
}

/** Names of several words, but for those of weights, which are as they are in Python, and of classes, which aren't called by name. */
const HAS_PYTHON_NAME = /^[a-z](?!_).*[A-Z]/;

function explain(target: object, name: string, reason: string): void {
  if (name in target) return;
  Object.defineProperty(target, name, {
    configurable: true,
    enumerable: false,
    get() {
      throw new TypeError(reason);
    },
  });
}

/**
 * Lets a class explain its names in Python's spelling, `run_with_cache`, and some that it has no counterpart of. They can't be listed,
 * and no type has them.
 *
 * @param Class The class; its own methods, getters and static methods are explained.
 * @param others Further names, each with the reason why there is none.
 */
export function explainPythonNames(
  Class: { readonly name: string; readonly prototype: object },
  others: Readonly<Record<string, string>> = {},
): void {
  for (const target of [Class.prototype, Class]) {
    for (const name of Object.getOwnPropertyNames(target)) {
      if (!HAS_PYTHON_NAME.test(name)) continue;
      const python = pythonName(name);
      explain(
        target,
        python,
        `${Class.name} has no "${python}": names are camelCase here, "${name}".`,
      );
    }
  }
  for (const [name, reason] of Object.entries(others)) {
    explain(Class.prototype, name, `${Class.name} has no "${name}": ${reason}`);
  }
}
