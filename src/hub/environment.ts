/**
 * What the environment says of the hub: the variables that Python's huggingface_hub reads.
 *
 * @module
 */

/** Where the hub and its cache are. */
export interface HubEnvironment {
  /** `HF_ENDPOINT`. */
  readonly endpoint: string | undefined;
  /** `HF_TOKEN`, else what a login left in `HF_TOKEN_PATH` or `$HF_HOME/token`. */
  readonly token: string | undefined;
  /** `HF_HUB_CACHE`, else `$HF_HOME/hub`, else `~/.cache/huggingface/hub`; `undefined` where there is no home. */
  readonly cache: string | undefined;
  /** `HF_HUB_OFFLINE`: nothing is asked of the hub. */
  readonly isOffline: boolean;
}

/** Reads a variable; one that may not be read counts as unset. */
function variable(env: Readonly<Record<string, string | undefined>>, name: string) {
  try {
    return env[name] || undefined;
  } catch {
    return undefined;
  }
}

/** Reads the environment of this process. */
export async function hubEnvironment(): Promise<HubEnvironment> {
  const [{ env }, { join }, { readFile }] = await Promise.all([
    import("node:process"),
    import("node:path"),
    import("node:fs/promises"),
  ]);
  const home = variable(env, "HOME") ?? variable(env, "USERPROFILE");
  const caches = variable(env, "XDG_CACHE_HOME") ?? (home && join(home, ".cache"));
  const hfHome = variable(env, "HF_HOME") ?? (caches && join(caches, "huggingface"));
  const tokenPath = variable(env, "HF_TOKEN_PATH") ?? (hfHome && join(hfHome, "token"));
  const readToken = async () => {
    try {
      return tokenPath && ((await readFile(tokenPath, "utf8")).trim() || undefined);
    } catch {
      return undefined;
    }
  };
  return {
    endpoint: variable(env, "HF_ENDPOINT"),
    token: variable(env, "HF_TOKEN") ?? await readToken(),
    cache: variable(env, "HF_HUB_CACHE") ?? (hfHome && join(hfHome, "hub")),
    isOffline: /^(1|true|yes|on)$/i.test(variable(env, "HF_HUB_OFFLINE") ?? ""),
  };
}
